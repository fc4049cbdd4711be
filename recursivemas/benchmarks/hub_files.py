"""Rows that are lines of JSONL files on the hub, for repositories that `datasets` does not read.

The files may hold gigabytes, so a row keeps its short fields and reads the others again when they are asked
for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from recursivemas.benchmarks.base import DatasetError

SHORT_FIELD = 1 << 14
"""How many characters a field may have to be kept."""


COMMIT = re.compile(r"[0-9a-f]{40}")


def read_hub_files(repo_id: str, names: Sequence[str], revision: str | None = None) -> FileRows:
    """The rows of the named files of a dataset's repository, downloaded into the hub's cache if need be.

    All are of one commit, that of the `revision` (a commit, tag or branch) or the newest. Raises
    DatasetError for a damaged file, ConnectionError without network, and OSError when the hub refuses.
    """
    # Imported here: it takes a while, and a local file does not need it.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    paths: list[Path] = []
    commit = None
    try:
        for name in names:
            at = commit or revision
            paths.append(Path(hf_hub_download(repo_id, name, repo_type="dataset", revision=at)))
            commit = commit_in(paths[-1])
    except LocalEntryNotFoundError as error:
        raise ConnectionError(str(error)) from error
    return FileRows(paths, commit)


def commit_in(path: Path) -> str | None:
    """The commit that a file in a cache is of: the innermost folder that is named like one."""
    return next((part for part in reversed(path.parts) if COMMIT.fullmatch(part)), None)


class FileRows(Sequence[Mapping[str, Any]]):
    """The lines of JSONL files as rows, in order; `commit` is that of their repository."""

    def __init__(self, paths: Sequence[Path], commit: str | None = None) -> None:
        self.commit = commit
        self._places = [place for path in paths for place in _find_lines(path)]

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> FileRow: ...

    @overload
    def __getitem__(self, index: slice) -> list[FileRow]: ...

    def __getitem__(self, index: int | slice) -> FileRow | list[FileRow]:
        if isinstance(index, slice):
            return [FileRow(*place) for place in self._places[index]]
        return FileRow(*self._places[index])


class FileRow(Mapping[str, Any]):
    """One line as an object. DatasetError when it is none."""

    def __init__(self, path: Path, offset: int) -> None:
        self._path, self._offset = path, offset
        row = self._read()
        self._names = list(row)
        self._short = {
            name: value
            for name, value in row.items()
            if len(value if isinstance(value, str) else str(value)) <= SHORT_FIELD
        }

    def __getitem__(self, name: str) -> Any:
        if name in self._short:
            return self._short[name]
        if name not in self._names:
            raise KeyError(name)
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _read(self) -> dict[str, Any]:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            line = file.readline()
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DatasetError(
                f"{self._path}, at byte {self._offset}: the line is not valid JSON ({error})"
            ) from error
        if not isinstance(row, dict):
            raise DatasetError(f"{self._path}, at byte {self._offset}: the line is not an object")
        return row


def _find_lines(path: Path) -> Iterator[tuple[Path, int]]:
    """Where each line that is not blank begins."""
    offset = 0
    with path.open("rb") as file:
        for line in file:
            if not line.isspace():
                yield path, offset
            offset += len(line)

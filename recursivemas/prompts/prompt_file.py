"""A prompts.py as it lies on disk, with all that its process needs of the files beside it."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from recursivemas.prompts.source import PromptsError

MAIN = "prompts.py"
CUE_FILES = ("inference_utils/lcb_utils.py", "lcb_utils.py")
"""Where the words stand that ask for code again, beside a prompts.py: the first of these that there is."""
DOORWAY_OF = "recursivemas.published.prompts"
"""What a prompts.py of this library imports its builders from."""
MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """A file of the public repository: its path there, and what tells that it arrived whole."""

    path: str
    sha256: str
    num_bytes: int | None = None


PUBLISHED_PROMPTS = PublishedFile(
    path=MAIN,
    sha256="dd6c53eb123325e7ebea1d255e6c63178a53926f66db072d92c908eabb41e246",
    num_bytes=20_561,
)
PUBLISHED_CUE = PublishedFile(
    path=CUE_FILES[0], sha256="2a9a00007405be00b6c2ea1b2bfca125b3e55372bcb2609cff453987a1d6bc9d"
)


@dataclass(frozen=True, kw_only=True)
class PromptFile:
    """The contents of a prompts.py and of what it imports from beside itself.

    `place` says where it was read, for error messages. `files` are contents by path from the file's folder,
    the file itself first. `cue_file` is the lcb_utils.py that belongs to it, None where there is none.
    """

    place: str
    files: Mapping[str, bytes]
    cue_file: bytes | None

    @property
    def main(self) -> str:
        return next(iter(self.files))

    @property
    def sha256(self) -> str:
        return _sha256(self.files[self.main])

    @property
    def origin(self) -> Literal["published", "file"]:
        return "published" if self.sha256 == PUBLISHED_PROMPTS.sha256 else "file"

    @property
    def cue_origin(self) -> Literal["published", "file"]:
        published = self.cue_file is not None and _sha256(self.cue_file) == PUBLISHED_CUE.sha256
        return "published" if published else "file"

    @cached_property
    def fingerprint(self) -> str:
        """Of all that decides what the builders write."""
        digest = hashlib.sha256()
        for name, content in self.files.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """For a run's record; the modules that the file imports stand there only where it has some."""
        beside = {name: _sha256(content) for name, content in self.files.items() if name != self.main}
        described = {"origin": self.origin, "name": self.main, "sha256": self.sha256}
        return {**described, "imports": beside} if beside else described


def read_prompt_file(path: Path) -> PromptFile:
    """A prompts.py, or the one in the folder of a checkout. Raises PromptsError where it cannot be read."""
    if path.is_dir():
        path = path / MAIN
    if not path.is_file():
        raise PromptsError(
            f"{path} is no file; give a published prompts.py, or the folder of a checkout that has one"
        )
    folder = path.parent
    _refuse_doorway(path)
    files: dict[str, bytes] = {}
    for file in _with_imports(path):
        files[file.relative_to(folder).as_posix()] = _read(file)
    cues = [folder / name for name in CUE_FILES if (folder / name).is_file()]
    return PromptFile(place=str(path), files=files, cue_file=_read(cues[0]) if cues else None)


def parse(content: bytes, place: str) -> ast.Module:
    """The syntax tree of a Python file; nothing is run. Raises PromptsError where it is none."""
    try:
        return ast.parse(content, filename=place)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise PromptsError(f"{place} is no valid Python: {error}") from error


def _with_imports(path: Path) -> Iterator[Path]:
    """The file, and the modules in its folder that it and they import, each once."""
    folder, waiting, seen = path.parent, [path], set()
    while waiting:
        file = waiting.pop(0)
        if file in seen or not file.is_file() or not file.is_relative_to(folder):
            continue
        seen.add(file)
        yield file
        for base, module in _imported(parse(_read(file), str(file)), file, folder):
            place = base.joinpath(*module.split(".")) if module else base
            packages = [parent for parent in place.parents if parent.is_relative_to(folder)]
            waiting += [place.with_suffix(".py"), place / "__init__.py"] if module else []
            waiting += [package / "__init__.py" for package in packages]


def _refuse_doorway(path: Path) -> None:
    """PromptsError for the prompts.py of a clone of this library, whose words are the default pack's."""
    modules = (module for _, module in _imported(parse(_read(path), str(path)), path, path.parent))
    if DOORWAY_OF in modules:
        raise PromptsError(
            f"{path} is this library's own doorway, not the published file; give --prompts default "
            "(prompts='default') for its words"
        )


def _imported(tree: ast.Module, file: Path, folder: Path) -> Iterator[tuple[Path, str]]:
    """(the folder that the name counts from, the dotted name) of all that a module may import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((folder, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = file.parents[node.level - 1] if node.level else folder
            module = node.module or ""
            yield base, module
            yield from ((base, f"{module}.{alias.name}".strip(".")) for alias in node.names)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PromptsError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_FILE_BYTES:
        raise PromptsError(
            f"{path} has more than {MAX_FILE_BYTES} bytes; a file of prompts has a few thousand"
        )
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

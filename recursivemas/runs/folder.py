"""The run folder: what a run leaves behind.

`config.json` says what ran (every setting and its origin, versions, model revisions), `samples.jsonl` has one
line a question and rollout, flushed batch by batch, `summary.json` the metrics and the costs, and `latents/`
the messages when they are kept.

A batch is the unit: a killed run resumes after its last complete batch, and every question then runs beside
the same neighbours as it would have in an uninterrupted run.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from recursivemas.errors import UserError
from recursivemas.runs.files import (
    CONFIG,
    LATENTS,
    SAMPLES,
    SUMMARY,
    iterate_samples,
    read_config,
)
from recursivemas.runs.record import Key, SampleRecord

if TYPE_CHECKING:
    from torch import Tensor

Batch = Sequence[Key]
"""The samples that a batch writes, in order."""


@dataclass(frozen=True)
class Kept:
    """What an interrupted run left: how many complete batches, in how many bytes of `samples.jsonl`."""

    num_batches: int = 0
    num_bytes: int = 0


class RunFolder:
    """Writes a run as it goes. A context manager that closes its files.

    `config` is the run's record, `kept` what an earlier, interrupted launch left, to which further samples
    are appended; none of them stay in memory. `copy_to` is a second file for the samples. Build one with
    `create` or `resume`.
    """

    def __init__(
        self, path: Path, config: Mapping[str, Any], kept: Kept, num_processes: int, copy_to: Path | None
    ) -> None:
        self.path = path
        self._num_batches = kept.num_batches
        self._config = dict(config)
        self._earlier = self._config.get("launches", [])
        self._launch = {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "processes": num_processes,
            "seconds": 0.0,
        }
        self._start = time.perf_counter()
        self.keep_time()
        # An interrupted run may have left a part of a batch behind the whole ones.
        samples = path / SAMPLES
        samples.touch()
        os.truncate(samples, kept.num_bytes)
        files = [samples]
        if copy_to is not None:
            copy_to.parent.mkdir(parents=True, exist_ok=True)
            _copy_whole(samples, copy_to)
            files.append(copy_to)
        self._files = [file.open("ab") for file in files]

    @classmethod
    def create(
        cls, path: Path, config: Mapping[str, Any], copy_to: Path | None = None, num_processes: int = 1
    ) -> RunFolder:
        """A new run's folder. Raises UserError when it already holds a run, so that none is overwritten."""
        check_free(path)
        path.mkdir(parents=True, exist_ok=True)
        return cls(path, config, Kept(), num_processes, copy_to)

    @classmethod
    def resume(
        cls, path: Path, batches: Sequence[Batch], copy_to: Path | None = None, num_processes: int = 1
    ) -> RunFolder:
        """An interrupted run's folder, cut back to its complete batches; raises what they raise."""
        return cls(path, read_config(path), complete_batches(path, batches), num_processes, copy_to)

    @property
    def num_batches(self) -> int:
        """How many batches are complete."""
        return self._num_batches

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def pending(self, num_batches: int) -> Iterator[int]:
        """The batches that are still to be done, of that many in all."""
        while self._num_batches < num_batches:
            yield self._num_batches

    def put(self, index: int, samples: Sequence[SampleRecord], latents: Mapping[str, Tensor]) -> None:
        """Keep the next finished batch: its samples' lines, and its messages [L, D_target] by name.

        Raises UserError when the folder has been moved or removed.
        """
        self.check_there()
        save_latents(self.path, index, latents)
        self.append(samples)

    def append(self, samples: Sequence[SampleRecord]) -> None:
        """Write a batch's samples behind the others."""
        lines = b"".join(map(_line, samples))
        for file in self._files:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        self._num_batches += 1
        self.keep_time()

    @property
    def seconds(self) -> float:
        """Wall clock that this run has taken, earlier launches included."""
        return sum(launch["seconds"] for launch in self._earlier) + time.perf_counter() - self._start

    def check_there(self) -> None:
        """Raise UserError when the folder is no longer where it was."""
        check_same_file(self.path / SAMPLES, self._files[0])

    def keep_time(self) -> None:
        """Note the time: a run that is killed has taken what it took for its finished batches."""
        self._launch["seconds"] = time.perf_counter() - self._start
        _write_json(self.path / CONFIG, {**self._config, "launches": [*self._earlier, self._launch]})

    def finish(self, summary: Mapping[str, Any], **facts: Any) -> None:
        """Write the summary, and the facts about this launch."""
        self._launch |= facts
        self.keep_time()
        _write_json(self.path / SUMMARY, summary)


def complete_batches(path: Path, batches: Sequence[Batch]) -> Kept:
    """How much of a run's first complete batches is there.

    `batches` are those that the run has in all. Raises UserError when the folder's samples are not the
    beginning of these.
    """
    found = iterate_samples(path)
    kept = Kept()
    for number, batch in enumerate(batches, start=1):
        end = kept.num_bytes
        for expected in batch:
            sample, end = next(found, (None, 0))
            if sample is None:
                return kept
            if sample.key != expected:
                raise UserError(
                    f"{path / SAMPLES} holds question {sample.id!r} where this run has {expected[0]!r}; "
                    "the questions have changed since. Give another --output_dir to start anew"
                )
        kept = Kept(number, end)
    return kept


def check_same_file(path: Path, file: IO[Any]) -> None:
    """Raise UserError when an open file is no longer the one at that path."""
    try:
        same = os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        same = False
    if not same:
        raise UserError(
            f"{path} is gone, or another file than this run writes: the run folder was moved or removed "
            "meanwhile. Put it back and go on with --resume, or start anew"
        )


def save_latents(path: Path, batch: int, latents: Mapping[str, Tensor]) -> None:
    """Write a batch's messages by name, if there are any."""
    if latents:
        from safetensors.torch import save  # readers of a folder need no torch

        (path / LATENTS).mkdir(exist_ok=True)
        contiguous = {name: message.contiguous() for name, message in latents.items()}
        # Not safetensors' own writing: its errors have no number, and its files are for their owner alone.
        write_whole(path / LATENTS / f"batch-{batch:05d}.safetensors", save(contiguous))


def check_free(path: Path) -> None:
    """Raise UserError when the folder already holds a run, or what is left of one."""
    if (path / CONFIG).exists():
        raise UserError(
            f"{path} already holds a run; give --resume to go on with it, or another --output_dir"
        )
    if left := [name for name in (SAMPLES, SUMMARY, LATENTS) if (path / name).exists()]:
        raise UserError(
            f"{path} holds {' and '.join(left)} of a run whose {CONFIG} is gone, so nothing tells what ran; "
            "put it back, or give another --output_dir"
        )


def _line(sample: SampleRecord) -> bytes:
    return to_bytes(json.dumps(sample.to_json(), ensure_ascii=False) + "\n")


def to_bytes(text: str) -> bytes:
    """JSON text as UTF-8. Half of a surrogate pair, which UTF-8 has no bytes for, becomes JSON's escape."""
    return text.encode("utf-8", "backslashreplace")


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    write_whole(path, to_bytes(json.dumps(data, indent=2, ensure_ascii=False) + "\n"))


def _copy_whole(source: Path, target: Path) -> None:
    part = _part_of(target)
    try:
        with source.open("rb") as reader, part.open("wb") as writer:
            shutil.copyfileobj(reader, writer)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, readable as the user's umask says."""
    part = _part_of(path)
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _part_of(path: Path) -> Path:
    """Where a file is written before it is moved to its place."""
    return path.with_name(f".{path.name}.part")

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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from recursivemas.errors import UserError

CONFIG, SAMPLES, SUMMARY, LATENTS = "config.json", "samples.jsonl", "summary.json", "latents"

Sample = dict[str, Any]
Batch = Sequence[tuple[str, int]]
"""(question id, rollout) of the samples that a batch writes, in order."""


class RunFolder:
    """Writes a run as it goes. A context manager that closes its files.

    `samples` are those that an earlier, interrupted run left (empty for a new one); further ones are
    appended. `copy_to` is a second file for the samples. Build one with `create` or `resume`.
    """

    def __init__(self, path: Path, samples: Sequence[Sample], num_batches: int, copy_to: Path | None) -> None:
        self.path = path
        self.samples = list(samples)
        self._num_batches = num_batches
        lines = "".join(map(_line, samples))
        files = [path / SAMPLES]
        if copy_to is not None:
            copy_to.parent.mkdir(parents=True, exist_ok=True)
            files.append(copy_to)
        # Whole batches are written back first: an interrupted run may have left a part of one behind them.
        for file in files:
            write_whole(file, lines)
        self._files = [file.open("a", encoding="utf-8") for file in files]

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any], copy_to: Path | None = None) -> RunFolder:
        """A new run's folder. Raises UserError when it already holds a run, so that none is overwritten."""
        check_free(path)
        path.mkdir(parents=True, exist_ok=True)
        _write_json(path / CONFIG, config)
        return cls(path, [], 0, copy_to)

    @classmethod
    def resume(cls, path: Path, batches: Sequence[Batch], copy_to: Path | None = None) -> RunFolder:
        """An interrupted run's folder, cut back to its complete batches; raises what they raise."""
        kept = complete_batches(path, batches)
        return cls(path, [sample for batch in kept for sample in batch], len(kept), copy_to)

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

    def put(self, index: int, samples: Sequence[Sample], latents: Mapping[str, Tensor]) -> None:
        """Keep the next finished batch: its samples' lines, and its messages [L, D_target] by name."""
        save_latents(self.path, index, latents)
        self.append(samples)

    def append(self, samples: Sequence[Sample]) -> None:
        """Write a batch's samples behind the others."""
        lines = "".join(map(_line, samples))
        for file in self._files:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        self.samples += samples
        self._num_batches += 1

    def finish(self, summary: Mapping[str, Any]) -> None:
        _write_json(self.path / SUMMARY, summary)


def complete_batches(path: Path, batches: Sequence[Batch]) -> list[list[Sample]]:
    """The samples of a run's first complete batches.

    `batches` are those that the run has in all. Raises UserError when the folder's samples are not the
    beginning of these.
    """
    found = read_samples(path)
    kept: list[list[Sample]] = []
    start = 0
    for batch in batches:
        rows = found[start : start + len(batch)]
        for row, expected in zip(rows, batch, strict=False):
            if (row["id"], row["rollout"]) != expected:
                raise UserError(
                    f"{path / SAMPLES} holds question {row['id']!r} where this run has {expected[0]!r}; "
                    "the questions have changed since. Give another --output_dir to start anew"
                )
        if len(rows) < len(batch):
            break
        kept.append(rows)
        start += len(batch)
    return kept


def save_latents(path: Path, batch: int, latents: Mapping[str, Tensor]) -> None:
    """Write a batch's messages by name, if there are any."""
    if latents:
        (path / LATENTS).mkdir(exist_ok=True)
        contiguous = {name: message.contiguous() for name, message in latents.items()}
        save_file(contiguous, path / LATENTS / f"batch-{batch:05d}.safetensors")


def check_free(path: Path) -> None:
    """Raise UserError when the folder already holds a run."""
    if (path / CONFIG).exists():
        raise UserError(
            f"{path} already holds a run; give --resume to go on with it, or another --output_dir"
        )


def read_config(path: Path) -> dict[str, Any]:
    """A run's `config.json`. Raises UserError when the folder holds no run, or a damaged one."""
    try:
        return json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{path} holds no run: there is no {CONFIG} in it") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path / CONFIG} is damaged ({error}); give another --output_dir") from error


def read_samples(path: Path) -> list[Sample]:
    """A run's samples in order, up to the first line that is not whole."""
    samples = []
    if not (path / SAMPLES).exists():
        return []
    for line in (path / SAMPLES).read_bytes().split(b"\n")[:-1]:
        try:
            samples.append(json.loads(line))
        except ValueError:  # what was being written when the power went
            break
    return samples


def _line(sample: Mapping[str, Any]) -> str:
    return json.dumps(sample, ensure_ascii=False) + "\n"


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    write_whole(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)

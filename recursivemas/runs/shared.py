"""Several processes, one run: who does which batch, and what happens when a process dies.

Processes take batches as they become free. A finished batch is a file of its own under `shards/`, written
whole or not at all; in the end the first process joins them in order into `samples.jsonl`. A batch's samples
do not depend on who runs it, so the result is the one process's. (Where agents call tools, who writes beside
whom depends on how long these take, without `rejoin_every`; below float64 that may show.)

Who works on a batch holds a lock on its claim. The claim of a process that dies is free at once, for the
first process, which stays until all is done, or for the next run with --resume.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recursivemas.errors import UserError
from recursivemas.files.locks import FileLock, read_note
from recursivemas.runs.files import CONFIG, iterate_samples, read_json, read_sample
from recursivemas.runs.folder import Batch, RunFolder, save_latents, to_bytes, write_whole
from recursivemas.runs.ranks import Rank
from recursivemas.runs.record import SampleRecord

if TYPE_CHECKING:
    from torch import Tensor

SHARDS = "shards"
SHARD = re.compile(r"batch-(\d{5,9})\.json")
OURS = re.compile(r"batch-\d{5,9}\.(json|claim)|\.batch-\d{5,9}\.json\.part")
POLL_S = 0.2


class SharedFolder:
    """One process's hand in a run folder that several write.

    `batches` are the samples of each batch of the run, `first_batch` is the first one that is not in
    `samples.jsonl` yet. The first process has the run's `record`, which it joins the others' work into.
    """

    def __init__(
        self,
        path: Path,
        rank: Rank,
        batches: Sequence[Batch],
        first_batch: int,
        record: RunFolder | None = None,
    ) -> None:
        self.path = path
        self._shards = path / SHARDS
        self._rank = rank
        self._batches = batches
        self._first_batch = first_batch
        self._record = record
        self._claims: dict[int, FileLock] = {}

    def __enter__(self) -> SharedFolder:
        return self

    def __exit__(self, *_: object) -> None:
        for claim in self._claims.values():
            claim.release()

    def pending(self, num_batches: int) -> Iterator[int]:
        """Batches for this process, as they become free. The first process stays until all are done."""
        while self._is_open():
            open_batches = [
                index for index in range(self._first_batch, num_batches) if not self._shard(index).exists()
            ]
            mine = next((index for index in open_batches if self._take(index)), None)
            if mine is not None:
                yield mine
            elif not open_batches or not self._rank.is_first:
                return
            else:
                time.sleep(POLL_S)

    def put(self, index: int, samples: Sequence[SampleRecord], latents: Mapping[str, Tensor]) -> None:
        """Keep a finished batch. Raises UserError when the folder has been moved or removed."""
        if self._is_open():
            save_latents(self.path, index, latents)
            shard = {"process": self._rank.index, "samples": [sample.to_json() for sample in samples]}
            write_whole(self._shard(index), to_bytes(json.dumps(shard, ensure_ascii=False)))
        claim = self._claims.pop(index)
        claim.path.unlink(missing_ok=True)
        claim.release()
        if self._record:
            self._record.keep_time()

    @property
    def num_batches(self) -> int:
        """How many batches are complete, by whichever process."""
        return self._first_batch + len(list(shards_in(self.path)))

    def join(self) -> list[int]:
        """Append all finished batches, in order, to the run's samples, and clear them away.

        Returns how many batches each process did, in this launch or an earlier one.
        """
        assert self._record is not None
        done: Counter[int] = Counter()
        for index in range(self._first_batch, len(self._batches)):
            process, samples = read_shard(self._shard(index), self._batches[index])
            done[process] += 1
            self._record.append(samples)
        for file in self._shards.iterdir():
            if OURS.fullmatch(file.name):
                file.unlink()
        if not any(self._shards.iterdir()):  # what else is in there is not ours
            self._shards.rmdir()
        return [done[index] for index in range(self._rank.count)]

    def _is_open(self) -> bool:
        """Whether there is a place for shards still; none is left where the first process has joined all.

        Raises UserError when the run folder itself is gone, or was opened by this process and lost them.
        """
        if self._record:
            self._record.check_there()
        if self._shards.exists():
            return True
        if self._record or not (self.path / CONFIG).exists():
            raise UserError(
                f"{self._shards} is gone: the run folder was moved or removed while the run wrote it. Put it "
                "back and go on with --resume, or start anew"
            )
        return False

    def _take(self, index: int) -> bool:
        """Take a batch unless another process has it, or has finished it in between."""
        claim = FileLock(self._shards / f"batch-{index:05d}.claim")
        left_by = read_note(claim.path)
        try:
            if not claim.acquire(self._rank.describe()):
                return False
        except FileNotFoundError:  # the first process has just joined all
            return False
        if self._shard(index).exists():
            claim.path.unlink(missing_ok=True)
            claim.release()
            return False
        if left_by:
            print(
                f"process {left_by.get('process')} (pid {left_by.get('pid')} on {left_by.get('host')}) ended "
                f"before it finished batch {index}, which is run again",
                file=sys.stderr,
            )
        self._claims[index] = claim
        return True

    def _shard(self, index: int) -> Path:
        return self.path / SHARDS / f"batch-{index:05d}.json"


def shards_in(path: Path) -> Iterator[Path]:
    """The files of finished batches that are not joined yet, in order, whatever else lies beside them."""
    yield from sorted(file for file in (path / SHARDS).glob("batch-*") if SHARD.fullmatch(file.name))


def read_shard(file: Path, batch: Batch | None = None) -> tuple[int, list[SampleRecord]]:
    """A finished batch: the process that did it, and its samples, those of that batch.

    Raises UserError for a file that is damaged.
    """
    cure = "delete it, and --resume runs its batch again"
    shard = read_json(file, cure)
    if not isinstance(shard, dict) or type(shard.get("process")) is not int:
        raise UserError(f"{file} holds no finished batch; {cure}")
    if not isinstance(shard.get("samples"), list):
        raise UserError(f"{file} holds no samples; {cure}")
    where = f"an entry of {file}"
    samples = [read_sample(value, where, "delete that file") for value in shard["samples"]]
    if batch is not None and [sample.key for sample in samples] != list(batch):
        raise UserError(f"{file} holds other questions than its batch has; {cure}")
    return shard["process"], samples


def iterate_finished(path: Path) -> Iterator[SampleRecord]:
    """All samples that a run has so far, those that are not joined yet at the end, in order."""
    joined = set()
    for sample, _ in iterate_samples(path):
        joined.add(sample.key)
        yield sample
    for shard in shards_in(path):
        for sample in read_shard(shard)[1]:
            if sample.key not in joined:
                yield sample


def prepare_shards(path: Path, first_batch: int, batches: Sequence[Batch]) -> None:
    """Make the shards' folder. What an earlier launch finished stays, unless it is joined already.

    Raises UserError for a finished batch that is damaged: before anything slow, not at the end.
    """
    (path / SHARDS).mkdir(exist_ok=True)
    for file in shards_in(path):
        index = int(file.stem.removeprefix("batch-"))
        if index < first_batch or index >= len(batches):
            file.unlink()
        else:
            read_shard(file, batches[index])

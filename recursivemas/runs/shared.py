"""Several processes, one run: who does which batch, and what happens when a process dies.

Here a batch is what is taken up at a time: an answer window. Processes take batches as they become free. The
first one writes into `samples.jsonl`; each other one has a file of its own under `shards/`, and in the end
the first brings all into their order. A sample does not depend on who makes it, so the result is the one
process's. (Where agents call tools, who writes beside whom depends on how long these take, without
`rejoin_every`; below float64 that may show.)

Who works on a batch holds a lock on its claim. The claim of a process that dies is free at once, for the
first process, which stays until all is done, or for the next run with --resume.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError
from recursivemas.files.locks import FileLock, read_note
from recursivemas.runs.files import CONFIG, SAMPLES, iterate_file, iterate_samples, read_json, read_sample
from recursivemas.runs.folder import (
    NO_LENSES,
    Journal,
    Latents,
    Lenses,
    RunFolder,
    append,
    check_questions,
    save_messages,
    to_line,
)
from recursivemas.runs.ranks import Rank
from recursivemas.runs.record import Key, SampleRecord

SHARDS = "shards"
SHARD = re.compile(r"process-\d{1,9}\.jsonl|batch-\d{5,9}\.json")
"""What holds samples: of a process; in runs of older versions, of a batch."""
OURS = re.compile(rf"{SHARD.pattern}|batch-\d{{5,9}}\.claim|\.batch-\d{{5,9}}\.json\.part")
POLL_S = 0.2
NUM_AT_ONCE = 100


class SharedFolder:
    """One process's hand in a run folder that several write.

    The first process has the run's `record`, which the others' work is joined with in the end.
    """

    def __init__(self, path: Path, rank: Rank, record: RunFolder | None = None) -> None:
        self.path = path
        self._shards = path / SHARDS
        self._rank = rank
        self._record = record
        self._num_before = record.num_done if record else 0
        self._own = record.journal if record else Journal(self._shard(rank.index))
        names = [path / SAMPLES, *(self._shard(index) for index in range(1, rank.count))]
        self._others = [Journal(name) for name in names if name != self._own.file]
        self._done: set[Key] = set()
        self._claims: dict[int, FileLock] = {}
        self._look_around()
        if not record and self._own.file.exists():
            # A process that died here may have left a part of a line, and comes again.
            os.truncate(self._own.file, self._own.end)

    def __enter__(self) -> SharedFolder:
        return self

    def __exit__(self, *_: object) -> None:
        for claim in self._claims.values():
            claim.release()

    def pending(self, batches: Sequence[Sequence[Key]]) -> Iterator[int]:
        """Batches for this process, as they become free. The first process stays until all are done."""
        while self._is_open():
            self._look_around()
            waiting = [index for index, batch in enumerate(batches) if not self._done.issuperset(batch)]
            mine = next((index for index in waiting if self._take(index, batches[index])), None)
            if mine is not None:
                yield mine
                self._give_back(mine)
            elif not waiting or not self._rank.is_first:
                return
            else:
                time.sleep(POLL_S)

    def put(self, samples: Sequence[SampleRecord], latents: Latents, lenses: Lenses = NO_LENSES) -> None:
        """Keep finished samples. Raises UserError when the folder has been moved or removed."""
        if not self._is_open():
            return
        samples = [sample for sample in samples if sample.key not in self._done]
        if self._record:
            self._record.put(samples, latents, lenses)
            return
        save_messages(self.path, latents, lenses)
        with self._own.file.open("ab") as file:
            append(file, map(to_line, samples))

    def note(self, **facts: Any) -> None:
        """Take down facts about this launch, where they are the first process's: it keeps the record."""
        if self._record:
            self._record.note(**facts)

    @property
    def num_done(self) -> int:
        """How many samples are there, by whichever process."""
        return len(self._done)

    def join(self) -> list[int]:
        """Bring all samples in order into the run's own file, and clear the others away.

        Returns how many samples each process has finished in this launch.
        """
        assert self._record is not None
        self._look_around()
        own = self._record.num_done - self._num_before
        self._record.put_in_order([journal for journal in self._others if journal.places])
        clear_shards(self.path)
        return [own, *(len(journal.places) for journal in self._others)]

    def _look_around(self) -> None:
        """See which samples are finished by now."""
        for journal in (self._own, *self._others):
            journal.read_on()
            self._done |= journal.places.keys()

    def _is_open(self) -> bool:
        """Whether there is a place for shards still; none is left where the first process has joined all.

        Raises UserError when the run folder itself is gone, or was opened by this process and lost them.
        """
        if self._shards.exists():
            return True
        if self._record or not (self.path / CONFIG).exists():
            raise UserError(
                f"{self._shards} is gone: the run folder was moved or removed while the run wrote it. Put it "
                "back and go on with --resume, or start anew"
            )
        return False

    def _take(self, index: int, batch: Sequence[Key]) -> bool:
        """Take a batch unless another process has it, or has finished it in between."""
        claim = FileLock(self._shards / f"batch-{index:05d}.claim")
        left_by = read_note(claim.path)
        try:
            if not claim.acquire(self._rank.describe()):
                return False
        except FileNotFoundError:  # the first process has just joined all
            return False
        self._claims[index] = claim
        self._look_around()
        if self._done.issuperset(batch):
            self._give_back(index)
            return False
        if left_by:
            print(
                f"process {left_by.get('process')} (pid {left_by.get('pid')} on {left_by.get('host')}) ended "
                f"before it finished batch {index}, which is run again",
                file=sys.stderr,
            )
        return True

    def _give_back(self, index: int) -> None:
        claim = self._claims.pop(index)
        claim.path.unlink(missing_ok=True)
        claim.release()
        if self._record:
            self._record.keep_time()

    def _shard(self, index: int) -> Path:
        return self._shards / f"process-{index}.jsonl"


def gather_shards(folder: RunFolder) -> None:
    """Put into the run's own file what processes of an earlier launch finished, and clear their files away.

    Raises UserError for a file that is damaged: before anything slow, not at the end.
    """
    for file in shards_in(folder.path):
        samples = read_shard(file)
        while part := list(islice(samples, NUM_AT_ONCE)):
            found = {sample.key: sample for sample in part}
            check_questions(file, found, folder.order, "Delete it, and --resume runs its samples again")
            folder.put(part, {})
    clear_shards(folder.path)


def clear_shards(path: Path) -> None:
    """Remove what is ours among the shards, and their folder where nothing else is in it."""
    if (path / SHARDS).exists():
        for file in (path / SHARDS).iterdir():
            if OURS.fullmatch(file.name) and file.is_file():
                file.unlink()
        if not any((path / SHARDS).iterdir()):
            (path / SHARDS).rmdir()


def shards_in(path: Path) -> list[Path]:
    """The files of samples that are not joined yet, whatever else lies beside them."""
    files = (path / SHARDS).glob("*-*.json*")
    return sorted(file for file in files if SHARD.fullmatch(file.name) and file.is_file())


def read_shard(file: Path) -> Iterator[SampleRecord]:
    """The finished samples in a shard. Raises UserError for a file that is damaged."""
    if file.suffix == ".jsonl":
        for sample, _ in iterate_file(file):
            yield sample
        return
    cure = "delete it, and --resume runs its batch again"
    shard = read_json(file, cure)
    if not isinstance(shard, dict) or not isinstance(shard.get("samples"), list):
        raise UserError(f"{file} holds no finished batch; {cure}")
    for value in shard["samples"]:
        yield read_sample(value, f"an entry of {file}", "delete that file")


def iterate_finished(path: Path) -> Iterator[SampleRecord]:
    """All samples that a run has so far, those that are not joined yet at the end."""
    joined = set()
    for sample, _ in iterate_samples(path):
        joined.add(sample.key)
        yield sample
    for shard in shards_in(path):
        for sample in read_shard(shard):
            if sample.key not in joined:
                joined.add(sample.key)
                yield sample


class Follower:
    """A run's samples as they are finished, by whichever process, each once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: set[Key] = set()
        self._journals: dict[Path, Journal] = {}

    def new(self) -> Iterator[SampleRecord]:
        """Those that have come since. Raises UserError for a file that is damaged."""
        shards = (shard for shard in shards_in(self.path) if shard.suffix == ".jsonl")
        for file in (self.path / SAMPLES, *shards):
            for sample in self._journals.setdefault(file, Journal(file)).new():
                if sample.key not in self._seen:
                    self._seen.add(sample.key)
                    yield sample

"""Several processes, one run: who does which batch, and what happens when a process dies.

Processes take batches as they become free. A finished batch is a file of its own under `shards/`, written
whole or not at all; in the end the first process joins them in order into `samples.jsonl`. A batch's samples
do not depend on who runs it, so the result is the one process's. (Where agents call tools, who writes beside
whom depends on how long these take, without `rejoin_every`; below float64 that may show.) A batch that a dead
process had taken is taken over by the first process, or by the next run with --resume.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recursivemas.errors import UserError
from recursivemas.records import RunFolder, Sample, read_samples, save_latents, write_whole

SHARDS = "shards"
HEARTBEAT_S = 5.0
DEAD_AFTER_S = 60.0
POLL_S = 0.2


@dataclass(frozen=True)
class Rank:
    """This process among those of a run: `index` of `count`."""

    index: int
    count: int

    @property
    def is_first(self) -> bool:
        return self.index == 0

    def wait_for_all(self) -> None:
        """Go on when every process has come here."""
        if self.count > 1:
            _accelerate_state().wait_for_everyone()


def current_rank() -> Rank:
    """This process's rank, as `accelerate launch` or torchrun says it; alone without either."""
    told = int(os.environ.get("WORLD_SIZE", "1"))
    if told == 1:
        return Rank(0, 1)
    state = _accelerate_state()
    if state.num_processes != told:
        raise UserError(
            f"WORLD_SIZE is {told} but accelerate sees {state.num_processes} process(es); start the run with "
            "accelerate launch --num_processes N run.py ..."
        )
    return Rank(state.process_index, state.num_processes)


def _accelerate_state() -> Any:
    """accelerate's state of the process group, made on the first call."""
    try:
        import accelerate
    except ImportError as error:
        raise UserError("several processes need accelerate: pip install accelerate") from error
    return accelerate.PartialState(cpu=not torch.cuda.is_available())


@dataclass(frozen=True)
class Claim:
    """Who has taken a batch."""

    rank: int
    host: str
    pid: int

    def is_dead(self, folder: Path) -> bool:
        """Whether that process is gone: looked up on this host, told by its silence on others."""
        if self.host == socket.gethostname():
            return not _is_running(self.pid)
        try:
            return time.time() - (folder / f"rank-{self.rank}.alive").stat().st_mtime > DEAD_AFTER_S
        except FileNotFoundError:
            return True


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class SharedFolder:
    """One process's hand in a run folder that several write. A context manager that keeps its heart beating.

    `first_batch` is the first one that is not in `samples.jsonl` yet.
    """

    def __init__(self, path: Path, rank: Rank, first_batch: int) -> None:
        self.path = path
        self._shards = path / SHARDS
        self._rank = rank
        self._first_batch = first_batch
        self._me = Claim(rank.index, socket.gethostname(), os.getpid())
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> SharedFolder:
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._heart.join()

    def pending(self, num_batches: int) -> Iterator[int]:
        """Batches for this process, as they become free. The first process stays until all are done."""
        while True:
            open_batches = [
                index for index in range(self._first_batch, num_batches) if not self._shard(index).exists()
            ]
            mine = next((index for index in open_batches if self._take(index)), None)
            if mine is not None:
                yield mine
            elif not open_batches or not self._rank.is_first:
                return
            else:
                for index in open_batches:
                    self._release_if_dead(index)
                time.sleep(POLL_S)

    def put(self, index: int, samples: Sequence[Sample], latents: Mapping[str, Tensor]) -> None:
        """Keep a finished batch."""
        save_latents(self.path, index, latents)
        write_whole(self._shard(index), json.dumps(list(samples), ensure_ascii=False))
        self._claim(index).unlink(missing_ok=True)

    @property
    def num_batches(self) -> int:
        """How many batches are complete, by whichever process."""
        return self._first_batch + len(list(self._shards.glob("batch-*.json")))

    def join(self, folder: RunFolder) -> None:
        """Append all finished batches, in order, to the run's samples, and clear the shards away."""
        for shard in sorted(self._shards.glob("batch-*.json")):
            folder.append(json.loads(shard.read_text(encoding="utf-8")))
        for file in self._shards.iterdir():
            file.unlink()
        self._shards.rmdir()

    def _beat(self) -> None:
        alive = self._shards / f"rank-{self._rank.index}.alive"
        while self._shards.exists():
            alive.touch()
            if self._stop.wait(HEARTBEAT_S):
                return

    def _take(self, index: int) -> bool:
        """Take a batch unless another process has it."""
        try:
            with self._claim(index).open("x", encoding="utf-8") as file:
                json.dump(asdict(self._me), file)
        except FileExistsError:
            return False
        return not self._shard(index).exists()  # finished and released in between

    def _release_if_dead(self, index: int) -> None:
        try:
            claim = Claim(**json.loads(self._claim(index).read_text(encoding="utf-8")))
        except (FileNotFoundError, json.JSONDecodeError):  # released, or just being written
            return
        if claim != self._me and claim.is_dead(self._shards):
            print(
                f"process {claim.rank} (pid {claim.pid} on {claim.host}) died; batch {index} is run again",
                file=sys.stderr,
            )
            self._claim(index).unlink(missing_ok=True)

    def _shard(self, index: int) -> Path:
        return self._shards / f"batch-{index:05d}.json"

    def _claim(self, index: int) -> Path:
        return self._shards / f"batch-{index:05d}.claim"


def read_finished(path: Path) -> list[Sample]:
    """All samples that a run has so far, those that are not joined yet at the end, in order."""
    shards = sorted((path / SHARDS).glob("batch-*.json"))
    joined = read_samples(path)
    known = {(sample["id"], sample["rollout"]) for sample in joined}
    waiting = [sample for shard in shards for sample in json.loads(shard.read_text(encoding="utf-8"))]
    return joined + [sample for sample in waiting if (sample["id"], sample["rollout"]) not in known]


def prepare_shards(path: Path, first_batch: int) -> None:
    """Make the shards' folder, without what an earlier run had taken and not finished, or joined already."""
    shards = path / SHARDS
    shards.mkdir(exist_ok=True)
    for file in shards.iterdir():
        if file.suffix != ".json" or int(file.stem.removeprefix("batch-")) < first_batch:
            file.unlink()

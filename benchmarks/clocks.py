"""Clocks. Nothing here is the library's, so that any checkout of it can be timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

Result = TypeVar("Result")


@dataclass(frozen=True)
class Seconds:
    """How long something took."""

    wall: float
    cpu: float
    """Of this process's threads alone: where there is one, what else runs on the machine hardly counts."""

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)


class Stopwatch:
    """Runs from when it is made; the device is waited for before it is read."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._wait()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Seconds:
        self._wait()
        return Seconds(time.perf_counter() - self._wall, time.process_time() - self._cpu)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def timed(action: Callable[[], Result], device: str, repeats: int = 1) -> tuple[Seconds, Result]:
    """What the action gives and how long it takes, at the best of so many times."""
    runs = []
    for _ in range(repeats):
        watch = Stopwatch(device)
        result = action()
        runs.append((watch.read(), result))
    return min(runs, key=lambda run: run[0].wall)

"""How long a batch takes, by agent and round, and who wants to watch it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import torch

from recursivemas.errors import UserError


class Watcher(Protocol):
    """Is told how a batch is getting on, for a progress bar."""

    def turn(self, round_number: int, role: str) -> None:
        """An agent's turn begins."""

    def token(self, num_running: int) -> None:
        """Each row that still ran has written a token; `num_running` rows go on."""


class Ledger:
    """Clocks one batch's turns. `devices` are waited for before a clock is read, by role."""

    def __init__(self, devices: Mapping[str, torch.device], watcher: Watcher | None = None) -> None:
        self._seconds: dict[tuple[int, str], float] = defaultdict(float)
        self._devices = devices
        self._watcher = watcher

    @contextmanager
    def stage(self, round_number: int, role: str) -> Iterator[None]:
        """Times an agent's turn, or a further part of it."""
        if self._watcher:
            self._watcher.turn(round_number, role)
        start = time.perf_counter()
        try:
            yield
        except UserError as error:
            raise UserError(f"round {round_number}, {role}: {error}") from error
        _wait_for(self._devices[role])
        self._seconds[round_number, role] += time.perf_counter() - start

    def token(self, num_running: int) -> None:
        """Passed on to the watcher."""
        if self._watcher:
            self._watcher.token(num_running)

    def take_seconds(self) -> dict[tuple[int, str], float]:
        """The seconds since the last call, by (round, role)."""
        taken, self._seconds = self._seconds, defaultdict(float)
        return dict(taken)


def _wait_for(device: torch.device) -> None:
    """Wait until an accelerator has done what it was given, so that a clock reads true."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)

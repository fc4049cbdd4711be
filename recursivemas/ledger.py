"""What a batch cost: seconds by stage, and the messages, if they are to be kept.

Shapes: B batch, L latent steps, D_tgt a link's target's hidden size.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from recursivemas.styles import LinkSpec


class Watcher(Protocol):
    """Is told how a batch is getting on, for a progress bar."""

    def turn(self, round_number: int, role: str) -> None:
        """An agent's turn begins."""

    def token(self, num_running: int) -> None:
        """Each row that still ran has written a token; `num_running` rows go on."""


@dataclass(frozen=True, kw_only=True)
class StageUsage:
    """What one question took in one agent's turn.

    Tokens are counted without padding: `prompt_tokens` of text read, `latents_read` positions filled by
    messages, `latent_steps` thought, `generated_tokens` written (the retry's among them, end-of-sequence
    tokens not). `seconds` is the batch's time divided evenly among its questions.
    """

    round: int
    role: str
    prompt_tokens: int
    latents_read: int
    latent_steps: int
    generated_tokens: int
    seconds: float


class Ledger:
    """Observes one batch. `devices` are waited for before a clock is read, by role.

    `messages` holds [B, L, D_tgt] tensors on the CPU by (round, link), if `keep_messages`.
    """

    def __init__(
        self, devices: dict[str, torch.device], *, keep_messages: bool, watcher: Watcher | None = None
    ) -> None:
        self._seconds: dict[tuple[int, str], float] = defaultdict(float)
        self.messages: dict[tuple[int, LinkSpec], Tensor] = {}
        self._devices = devices
        self._keep_messages = keep_messages
        self._watcher = watcher

    @contextmanager
    def stage(self, round_number: int, role: str) -> Iterator[None]:
        if self._watcher:
            self._watcher.turn(round_number, role)
        start = time.perf_counter()
        yield
        _wait_for(self._devices[role])
        self._seconds[round_number, role] += time.perf_counter() - start

    def message(self, round_number: int, link: LinkSpec, message: Tensor) -> None:
        if self._keep_messages:
            self.messages[round_number, link] = message.cpu()

    def token(self, num_running: int) -> None:
        if self._watcher:
            self._watcher.token(num_running)

    def take_seconds(self) -> dict[tuple[int, str], float]:
        """The seconds since the last call, by (round, role)."""
        taken, self._seconds = self._seconds, defaultdict(float)
        return dict(taken)

    def messages_of(self, row: int) -> dict[str, Tensor]:
        """One question's messages [L, D_tgt] by `r{round}/{source}->{target}`."""
        return {f"r{number}/{link}": message[row] for (number, link), message in self.messages.items()}


def _wait_for(device: torch.device) -> None:
    """Wait until an accelerator has done what it was given, so that a clock reads true."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)

"""What is noted while questions are solved: time, tokens, sizes, the messages themselves.

Shapes: B batch, L latent steps, D_tgt a link's target's hidden size.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor
from torch.profiler import record_function

from recursivemas.engine import Positions, Thoughts
from recursivemas.errors import UserError
from recursivemas.recursion.answer import Draft
from recursivemas.recursion.channels import LatentMessage, Read
from recursivemas.recursion.lens import LensLog
from recursivemas.recursion.loop import Observer, Observers, Turn
from recursivemas.recursion.trace import MessageSize, Passage, StageUsage
from recursivemas.settings import Mode
from recursivemas.styles import LinkSpec
from recursivemas.values import Moment, now


class Watcher(Protocol):
    """Is told how a batch is getting on, for a progress bar."""

    def turn(self, round_number: int, role: str) -> None:
        """An agent's turn begins."""

    def token(self, num_running: int) -> None:
        """Each row that still ran has written a token; `num_running` rows go on."""


class Announcer(Observer):
    """Tells a watcher whose turn it is."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    @contextmanager
    def stage(self, turn: Turn) -> Iterator[None]:
        self._watcher.turn(turn.round, turn.role)
        yield


class Spans(Observer):
    """Marks turns in a profiler's trace, as `round 1/planner`; without a profiler that is next to nothing.

    Within a turn the engine marks what it reads, thinks and writes: `prefill`, `think`, `write`.
    """

    @contextmanager
    def stage(self, turn: Turn) -> Iterator[None]:
        with record_function(f"round {turn.round}/{turn.role}"):
            yield


class ErrorPlaces(Observer):
    """Says of a user's error in which round and with which agent it came up."""

    @contextmanager
    def stage(self, turn: Turn) -> Iterator[None]:
        try:
            yield
        except UserError as error:
            raise UserError(f"round {turn.round}, {turn.role}: {error}") from error


class Clock(Observer):
    """The seconds of each turn, and when it was; `devices` are waited for before it is read, by role."""

    def __init__(self, devices: Mapping[str, torch.device]) -> None:
        self.seconds: dict[tuple[int, str], float] = defaultdict(float)
        """By (round, role)."""
        self.started: dict[tuple[int, str], Moment] = {}
        self.ended: dict[tuple[int, str], Moment] = {}
        self._devices = devices

    @contextmanager
    def stage(self, turn: Turn) -> Iterator[None]:
        key = turn.round, turn.role
        start = time.perf_counter()
        self.started.setdefault(key, now())
        yield
        _wait_for(self._devices[turn.role])
        self.seconds[key] += time.perf_counter() - start
        self.ended[key] = now()


class UsageLog(Observer):
    """The tokens of each turn so far: one entry a row, by (round, role)."""

    def __init__(self) -> None:
        self.turns: dict[tuple[int, str], list[StageUsage]] = {}

    def read(self, turn: Turn, reading: Read) -> None:
        self.turns[turn.round, turn.role] = [
            StageUsage(
                round=turn.round,
                role=turn.role,
                prompt_tokens=chat.num_text_tokens,
                latents_read=len(chat.slots) * reading.latent_length,
            )
            for chat in reading.chats
        ]

    def thought(self, turn: Turn, thought: Thoughts | Mapping[int, Draft]) -> None:
        rows = self.turns[turn.round, turn.role]
        if isinstance(thought, Thoughts):
            rows[:] = [replace(row, latent_steps=thought.latents.shape[1]) for row in rows]
            for row, read in enumerate(thought.read):
                rows[row] = with_positions(rows[row], read)
            return
        for row, draft in thought.items():
            rows[row] = with_positions(
                replace(rows[row], generated_tokens=draft.num_sampled, result_tokens=draft.num_inserted),
                draft.read,
            )


def with_positions(usage: StageUsage, read: Positions) -> StageUsage:
    """A turn's usage with what was read in it."""
    return replace(usage, positions_computed=read.computed, positions_reused=read.reused)


class LatentLog(Observer):
    """The sizes of latent messages, and with `keep` the messages themselves, on the CPU."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._messages: dict[str, Tensor] = {}
        self._sizes: dict[str, list[MessageSize]] = {}

    def sent(self, turn: Turn, link: LinkSpec, message: LatentMessage) -> None:
        name = f"r{turn.round}/{link}"
        self._sizes[name] = _sizes(message)
        if self._keep:
            self._messages[name] = message.cpu()

    def messages(self, row: int) -> dict[str, Tensor]:
        """One question's messages [L, D_tgt] by `r{round}/{source}->{target}`."""
        return {name: message[row] for name, message in self._messages.items()}

    def sizes(self, row: int) -> dict[str, MessageSize]:
        """The sizes of one question's messages, by the same names."""
        return {name: sizes[row] for name, sizes in self._sizes.items()}


class PassageLog(Observer):
    """What agents have passed on as text."""

    def __init__(self) -> None:
        self._drafts: dict[str, Mapping[int, Draft]] = {}

    def thought(self, turn: Turn, thought: Mapping[int, Draft]) -> None:
        self._drafts[f"r{turn.round}/{turn.role}"] = thought

    def passages(self, row: int) -> dict[str, Passage]:
        """One question's passages by `r{round}/{role}`; an empty one where nothing more was written."""
        return {
            name: drafts[row].passage() if row in drafts else Passage("", ())
            for name, drafts in self._drafts.items()
        }


class Notes:
    """All that is noted of a batch."""

    def __init__(
        self,
        devices: Mapping[str, torch.device],
        watcher: Watcher,
        *,
        mode: Mode,
        keep_latents: bool,
        with_lens: bool,
    ) -> None:
        self.clock = Clock(devices)
        self.usage = UsageLog()
        self.latents = LatentLog(keep=keep_latents)
        self.passages = PassageLog()
        self.lens = LensLog() if with_lens and mode == "latent" else None
        messages: list[Observer] = [self.passages if mode == "text" else self.latents]
        messages += [self.lens] if self.lens else []
        self.observer = Observers([*around_turns(watcher, self.clock), self.usage, *messages])


def around_turns(watcher: Watcher, clock: Clock) -> list[Observer]:
    """The observers that stand around turns."""
    # A span ends behind the clock, which waits for the device.
    return [Announcer(watcher), Spans(), ErrorPlaces(), clock]


def _sizes(message: LatentMessage) -> list[MessageSize]:
    """Of each row of a message [B, L, D_tgt]."""
    num_rows, latent_length, width = message.shape
    precise = torch.promote_types(message.dtype, torch.float32)
    norms = message.norm(dim=-1, dtype=precise).mean(dim=-1) if latent_length else torch.zeros(num_rows)
    return [MessageSize((latent_length, width), float(f"{norm:.6g}")) for norm in norms.tolist()]


def _wait_for(device: torch.device) -> None:
    """Wait until an accelerator has done what it was given, so that a clock reads true."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)

"""Decoding text, with prompts that may hold latent thoughts, and rows that may pause.

A row that pauses leaves the batch, and the others decode on. When its pause is over, it is read anew, its
prompt with all that has followed, and joins the batch again.

Shapes: B batch, T_i a row's prompt positions, V vocabulary, D hidden size.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.prompt_batch import PromptBatch
from recursivemas.engine.sampling import NO_TOKEN, Sampler, SamplingSettings
from recursivemas.engine.stream import Stream

NOT_FINITE = "not finite"
"""How a row ends whose hidden states became infinite or no numbers; the others are not touched by it."""


@dataclass(frozen=True)
class Segment:
    """Token ids that a row wrote; or, where they are not `written`, that were put in for it to read."""

    token_ids: tuple[int, ...]
    written: bool = True


@dataclass(frozen=True)
class Generated:
    """What followed a row's prompt.

    `segments` in order, the end-of-sequence token left out; `num_sampled` counts the tokens that were
    sampled, those that a pause took back too. `ended_by` is `stop`, `length`, NOT_FINITE where the model gave
    no numbers to sample from, or what a pause said.
    """

    segments: tuple[Segment, ...]
    num_sampled: int
    ended_by: str

    @property
    def token_ids(self) -> tuple[int, ...]:
        """What the row wrote itself."""
        return tuple(id_ for segment in self.segments if segment.written for id_ in segment.token_ids)


@dataclass(frozen=True)
class Resumption:
    """How a paused row goes on.

    `written` takes the place of what the row has written since its last pause, `inserted` follows for it to
    read. With `ended_by` the row ends there instead.
    """

    written: tuple[int, ...]
    inserted: tuple[int, ...]
    ended_by: str = ""


class Pauses(Protocol):
    """Looks at what rows write, and may have one wait for something."""

    def look(self, row: int, written: Sequence[int]) -> Future[Any] | None:
        """What a row has to wait for, if anything; `written` are its token ids since its last pause.

        It is called after every token that a row can go on from.
        """

    def resume(self, row: int, outcome: Any) -> Resumption:
        """How the row goes on, now that what it waited for has come."""


def decode(
    backbone: Backbone,
    prompts: PromptBatch,
    *,
    streams: Sequence[random.Random],
    settings: SamplingSettings,
    max_new_tokens: int,
    stop_ids: Collection[int],
    histories: Sequence[Sequence[int]] = (),
    on_step: Callable[[int], None] | None = None,
    pauses: Pauses | None = None,
    rejoin_every: int = 0,
) -> list[Generated]:
    """Write up to `max_new_tokens` tokens after each prompt; a row that is done leaves the batch.

    `streams` [B] are the rows' random numbers, `settings` the resolved sampling settings, `stop_ids` the
    end-of-sequence tokens, `histories` [B] token ids that a row wrote earlier (they count for the repetition
    penalty; what is put in does not). `on_step` is told after each step how many rows go on or wait. The
    tokens that `pauses` puts in are not counted towards `max_new_tokens`. A row that is back joins the others
    at once; with `rejoin_every` only after every so many steps, where all wait for those that are not back
    yet: then nothing depends on how long pauses take, not even rounding.
    Raises ValueError for a `max_new_tokens` below 1, and what `pauses` or what it waits for raises.
    """
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; it has to be 1 or more")
    rows = [
        _Row(prompts, index, stream, list(histories[index] if histories else ()))
        for index, stream in enumerate(streams)
    ]
    running = list(rows)
    waiting: list[tuple[_Row, Future[Any]]] = []
    stream = Stream(backbone, prompts)
    sampler = _sampler(settings, running)
    num_steps = 0
    while running or waiting:
        if running:
            num_steps += 1
            tokens = sampler.choose(backbone.logits(stream.hidden))
            going = [
                index
                for index, (row, token) in enumerate(zip(running, tokens.tolist(), strict=True))
                if row.takes(token, stop_ids, max_new_tokens) and not _pauses(row, pauses, waiting)
            ]
            if on_step:
                on_step(len(going) + len(waiting))
            if len(going) < len(running):
                running = [running[index] for index in going]
                sampler = _sampler(settings, running)
                if going:
                    stream.keep(going)
                    tokens = tokens[going]
            if going:
                stream.step(backbone.embed(tokens))
        if not pauses or (rejoin_every and running and num_steps % rejoin_every):
            continue
        back = _back_from_pause(waiting, pauses, block=not running, together=bool(rejoin_every))
        if back:
            stream = _rejoined(backbone, stream, running, back)
            running += back
            sampler = _sampler(settings, running)
    return [row.generated() for row in rows]


@dataclass(eq=False)
class _Row:
    """One row on its way, and what it has been writing since its last pause."""

    prompts: PromptBatch
    index: int
    stream: random.Random
    history: list[int]
    segments: list[Segment] = field(default_factory=list)
    writing: list[int] = field(default_factory=list)
    num_sampled: int = 0
    ended_by: str = ""

    def takes(self, token: int, stop_ids: Collection[int], max_new_tokens: int) -> bool:
        """Take the row's next token; tells whether more may follow."""
        if token in stop_ids or token == NO_TOKEN:
            self.ended_by = NOT_FINITE if token == NO_TOKEN else "stop"
            return False
        self.writing.append(token)
        self.num_sampled += 1
        if self.num_sampled == max_new_tokens:
            self.ended_by = "length"
        return not self.ended_by

    def resume(self, resumption: Resumption) -> None:
        self.segments += [Segment(resumption.written), Segment(resumption.inserted, written=False)]
        self.writing = []
        self.ended_by = resumption.ended_by

    def generated(self) -> Generated:
        segments = [*self.segments, Segment(tuple(self.writing))]
        return Generated(tuple(segments), self.num_sampled, self.ended_by)

    def said(self) -> list[int]:
        """What the row has written so far, for the repetition penalty."""
        return [*self.history, *self.generated().token_ids]

    def sequence(self, backbone: Backbone) -> Tensor:
        """All of the row so far as embeddings [T_i + tokens, D]."""
        ids = [id_ for segment in self.generated().segments for id_ in segment.token_ids]
        return torch.cat([self.prompts.row(self.index), backbone.embed(ids)])


def _sampler(settings: SamplingSettings, rows: Sequence[_Row]) -> Sampler:
    return Sampler(settings, [row.stream for row in rows], [row.said() for row in rows])


def _pauses(row: _Row, pauses: Pauses | None, waiting: list[tuple[_Row, Future[Any]]]) -> bool:
    """Put a row that has to wait into `waiting`; tells whether it has to."""
    future = pauses.look(row.index, row.writing) if pauses else None
    if future is not None:
        waiting.append((row, future))
    return future is not None


def _back_from_pause(
    waiting: list[tuple[_Row, Future[Any]]], pauses: Pauses, *, block: bool, together: bool
) -> list[_Row]:
    """Those rows of `waiting` that can go on now, taken out of it.

    With `block` it waits until there are any, or none are left; with `together` until all can.
    """
    back: list[_Row] = []
    while waiting and not back:
        futures = [future for _, future in waiting]
        timeout = None if block or together else 0
        done = wait(futures, timeout, ALL_COMPLETED if together else FIRST_COMPLETED).done
        returned = [(row, future) for row, future in waiting if future in done]
        waiting[:] = [(row, future) for row, future in waiting if future not in done]
        for row, future in returned:
            row.resume(pauses.resume(row.index, future.result()))
            if not row.ended_by:
                back.append(row)
        if not block:
            break
    return back


def _rejoined(backbone: Backbone, stream: Stream, running: Sequence[_Row], back: Sequence[_Row]) -> Stream:
    """The stream of the running rows and, behind them, those that are back."""
    join = bool(running) and stream.can_join
    # Where a cache cannot be joined, the running rows are read anew, too.
    rows = back if join else [*running, *back]
    fresh = Stream(backbone, PromptBatch.left_pad([row.sequence(backbone) for row in rows]))
    if not join:
        return fresh
    stream.join(fresh)
    return stream

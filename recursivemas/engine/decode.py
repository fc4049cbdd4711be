"""Decoding text, with prompts that may hold latent thoughts, and rows that may pause.

A row that pauses leaves the batch, and the others decode on. When its pause is over, it is read anew, its
prompt with all that has followed, and joins the batch again.

Shapes: B batch, T_i a row's prompt positions, V vocabulary, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.base import NOT_FINITE, Generated, Pauses, Resumption, Segment, WriteRequest
from recursivemas.engine.sampling import NO_TOKEN, Sampler
from recursivemas.engine.stream import PromptBatch, Stream
from recursivemas.sampling import SamplingSettings


def decode(
    backbone: Backbone,
    stream: Stream,
    prompts: Sequence[Tensor],
    requests: Sequence[WriteRequest],
    *,
    sampling: SamplingSettings,
    stop_ids: Collection[int],
    pauses: Pauses | None = None,
    on_step: Callable[[int], None] | None = None,
    rejoin_every: int = 0,
) -> Iterator[tuple[int, Generated]]:
    """Write after each sequence of a stream; yields a row's number in it when it is done and leaves.

    `prompts` are what the stream has read, [T_i, D] each, `requests` what is wanted of it, in the same order;
    all else is told at `recursivemas.engine.Session.write`, whose work this is.
    """
    for request in requests:
        if request.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {request.max_new_tokens}; it has to be 1 or more")
    running = [
        _Row(index, prompt, request)
        for index, (prompt, request) in enumerate(zip(prompts, requests, strict=True))
    ]
    waiting: list[tuple[_Row, Future[Any]]] = []
    sampler = _sampler(sampling, running)
    num_steps = 0
    while running or waiting:
        if running:
            num_steps += 1
            tokens = sampler.choose(backbone.logits(stream.hidden))
            going = [
                index
                for index, (row, token) in enumerate(zip(running, tokens.tolist(), strict=True))
                if row.takes(token, stop_ids) and not _pauses(row, pauses, waiting)
            ]
            if on_step:
                on_step(len(going) + len(waiting))
            if len(going) < len(running):
                yield from _done(running)
                running = [running[index] for index in going]
                sampler = _sampler(sampling, running)
                if going:
                    stream.keep(going)
                    tokens = tokens[going]
            if going:
                stream.step(backbone.embed(tokens))
        if not pauses or (rejoin_every and running and num_steps % rejoin_every):
            continue
        back = _back_from_pause(waiting, pauses, block=not running, together=bool(rejoin_every))
        yield from _done(back)
        back = [row for row in back if not row.ended_by]
        if back:
            stream = _rejoined(backbone, stream, running, back)
            running += back
            sampler = _sampler(sampling, running)


@dataclass(eq=False)
class _Row:
    """One row on its way, and what it has been writing since its last pause."""

    index: int
    prompt: Tensor
    request: WriteRequest
    segments: list[Segment] = field(default_factory=list)
    writing: list[int] = field(default_factory=list)
    num_sampled: int = 0
    ended_by: str = ""

    def takes(self, token: int, stop_ids: Collection[int]) -> bool:
        """Take the row's next token; tells whether more may follow."""
        if token in stop_ids or token == NO_TOKEN:
            self.ended_by = NOT_FINITE if token == NO_TOKEN else "stop"
            return False
        self.writing.append(token)
        self.num_sampled += 1
        if self.num_sampled == self.request.max_new_tokens:
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
        return [*self.request.said, *self.generated().token_ids]

    def sequence(self, backbone: Backbone) -> Tensor:
        """All of the row so far as embeddings [T_i + tokens, D]."""
        ids = [id_ for segment in self.generated().segments for id_ in segment.token_ids]
        return torch.cat([self.prompt, backbone.embed(ids)])


def _done(rows: Sequence[_Row]) -> Iterator[tuple[int, Generated]]:
    """What those rows wrote that have ended."""
    return ((row.index, row.generated()) for row in rows if row.ended_by)


def _sampler(settings: SamplingSettings, rows: Sequence[_Row]) -> Sampler:
    return Sampler(settings, [row.request.stream for row in rows], [row.said() for row in rows])


def _pauses(row: _Row, pauses: Pauses | None, waiting: list[tuple[_Row, Future[Any]]]) -> bool:
    """Put a row that has to wait into `waiting`; tells whether it has to."""
    future = pauses.look(row.request.row, row.writing) if pauses else None
    if future is not None:
        waiting.append((row, future))
    return future is not None


def _back_from_pause(
    waiting: list[tuple[_Row, Future[Any]]], pauses: Pauses, *, block: bool, together: bool
) -> list[_Row]:
    """Those rows of `waiting` whose pause is over, taken out of it; some of them may have ended with it.

    With `block` it waits until there are any; with `together` until all are over.
    """
    if not waiting:
        return []
    futures = [future for _, future in waiting]
    timeout = None if block or together else 0
    done = wait(futures, timeout, ALL_COMPLETED if together else FIRST_COMPLETED).done
    returned = [(row, future) for row, future in waiting if future in done]
    waiting[:] = [(row, future) for row, future in waiting if future not in done]
    for row, future in returned:
        row.resume(pauses.resume(row.request.row, future.result()))
    return [row for row, _ in returned]


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

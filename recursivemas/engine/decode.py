"""Decoding text, with prompts that may hold latent thoughts, and rows that may pause.

A row that is done leaves the batch, and the next one that waits takes its place. A row that pauses leaves it,
too, and keeps its place. When its pause is over, it is read, its prompt with all that has followed, and joins
the batch again; what it had read before may be kept for it.

Shapes: B batch, V vocabulary.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.base import (
    NOT_FINITE,
    Generated,
    Pauses,
    Positions,
    Resumption,
    Segment,
    WriteRequest,
)
from recursivemas.engine.prefix_cache import Kept, common_length
from recursivemas.engine.reading import Reader, Row
from recursivemas.engine.sampling import NO_TOKEN, Sampler
from recursivemas.engine.stream import Stream
from recursivemas.sampling import SamplingSettings


def decode(
    reader: Reader,
    rows: Sequence[Row],
    requests: Sequence[WriteRequest],
    *,
    width: int,
    sampling: SamplingSettings,
    stop_ids: Collection[int],
    pauses: Pauses | None = None,
    on_step: Callable[[int], None] | None = None,
    rejoin_every: int = 0,
) -> Iterator[tuple[int, Generated]]:
    """Write after rows, `width` of them side by side at most; yields a row's number when it is done.

    A row that is done makes room for the next one. `requests` are what is wanted of the rows, in the same
    order; all else is told at `recursivemas.engine.Session.write`, whose work this is. What is kept of a row
    is noted in it.
    """
    queue = _queue(rows, requests, width)
    running: list[_Row] = []
    waiting: list[tuple[_Row, Future[Any]]] = []
    stream: Stream | None = None
    num_steps = 0
    while running or waiting or queue:
        room = width - len(running) - len(waiting)
        if queue and room and (reader.knows_cache or not running):
            new = [queue.popleft() for _ in range(min(room, len(queue)))]
            stream = _joined(reader, stream, running, new)
            running += new
            sampler = _sampler(sampling, running)
        if running and stream:
            num_steps += 1
            tokens = sampler.choose(reader.backbone.logits(stream.hidden))
            going = [
                index
                for index, (row, token) in enumerate(zip(running, tokens.tolist(), strict=True))
                if row.takes(token, stop_ids) and not _pauses(row, pauses, waiting)
            ]
            if on_step:
                on_step(len(going) + len(waiting) + len(queue))
            if len(going) < len(running):
                _keep_those_that_leave(reader, stream, running, going)
                yield from _done(running)
                running = [running[index] for index in going]
                sampler = _sampler(sampling, running)
                if going:
                    stream.keep(going)
                    tokens = tokens[going]
            if going:
                stream.step(reader.backbone.embed(tokens))
        if not pauses or (rejoin_every and running and num_steps % rejoin_every):
            continue
        idle = not running and not (queue and len(waiting) < width)
        back = _back_from_pause(waiting, pauses, block=idle, together=bool(rejoin_every))
        yield from _done(back)
        back = [row for row in back if not row.ended_by]
        if back:
            stream = _joined(reader, stream, running, back)
            running += back
            sampler = _sampler(sampling, running)


def _queue(rows: Sequence[Row], requests: Sequence[WriteRequest], width: int) -> deque[_Row]:
    """The rows in the order in which they are taken up: where some have to wait, the longest come first.

    Those that may write most would be left alone at the end; of others, long prompts go side by side. Copies
    of a fork keep their order, all once and then all once more: so each is read before its copies.
    """
    for request in requests:
        if request.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {request.max_new_tokens}; it has to be 1 or more")
    pairs = enumerate(zip(rows, requests, strict=True))
    queue = [_Row(index, row, request) for index, (row, request) in pairs]
    if len(queue) > width:
        queue.sort(key=lambda one: (-one.request.max_new_tokens, 0 if one.row.fork else -len(one.row)))
    return deque(queue)


@dataclass(eq=False)
class _Row:
    """One row on its way, and what it has been writing since its last pause."""

    index: int
    row: Row
    request: WriteRequest
    segments: list[Segment] = field(default_factory=list)
    writing: list[int] = field(default_factory=list)
    num_sampled: int = 0
    ended_by: str = ""
    read: Positions = field(default_factory=Positions)

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
        before = self.token_ids()
        self.segments += [Segment(resumption.written), Segment(resumption.inserted, written=False)]
        self.writing = []
        same = len(self.row) + common_length(before, self.token_ids())
        self.row.kept_length = min(self.row.kept_length, same)
        self.ended_by = resumption.ended_by

    def generated(self) -> Generated:
        segments = [*self.segments, Segment(tuple(self.writing))]
        return Generated(tuple(segments), self.num_sampled, self.ended_by, self.read)

    def said(self) -> list[int]:
        """What the row has written so far, for the repetition penalty."""
        return [*self.request.said, *self.generated().token_ids]

    def token_ids(self) -> tuple[int, ...]:
        """All that follows the prompt."""
        return tuple(id_ for segment in self.generated().segments for id_ in segment.token_ids)

    def keep(self, kept: Kept | None, length: int) -> None:
        """Note that the row's first `length` positions are kept."""
        self.row.kept, self.row.kept_length = kept, length

    def sequence(self, backbone: Backbone) -> Row:
        """All of the row so far."""
        fork, self.row.fork = self.row.fork, None
        embeddings = torch.cat([self.row.embeddings, backbone.embed(self.token_ids())])
        return replace(self.row, embeddings=embeddings, fork=fork)


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


def _keep_those_that_leave(
    reader: Reader, stream: Stream, running: Sequence[_Row], going: Sequence[int]
) -> None:
    """They may come back: with what they waited for, or to be written after once more."""
    for index, row in enumerate(running):
        if index not in going:
            row.keep(reader.keep(stream, index), stream.lengths[index])


def _joined(reader: Reader, stream: Stream | None, running: Sequence[_Row], new: Sequence[_Row]) -> Stream:
    """The stream of the running rows and, behind them, those that come to it or come back."""
    join = stream is not None and bool(running) and stream.can_join
    # Where a cache cannot be joined, the running rows are read anew, too.
    rows = new if join else [*running, *new]
    fresh, positions = reader.read([row.sequence(reader.backbone) for row in rows])
    for row, read in zip(rows, positions, strict=True):
        row.read += read
    if stream is None or not join:
        return fresh
    stream.join(fresh)
    return stream

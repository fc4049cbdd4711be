"""A text on its way: what a row has written, what was put in for it to read, and its pauses.

Whatever makes the tokens, a row takes them one by one, and may wait for something in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

from recursivemas.engine.base import (
    NOT_FINITE,
    Generated,
    Pauses,
    Positions,
    Resumption,
    Segment,
    WriteRequest,
)
from recursivemas.engine.sampling import NO_TOKEN


@dataclass(eq=False)
class Writing:
    """One row's text, and what it has been writing since its last pause."""

    index: int
    """Among the rows that are asked for."""
    request: WriteRequest
    segments: list[Segment] = field(default_factory=list)
    writing: list[int] = field(default_factory=list)
    num_sampled: int = 0
    num_chosen: int = 0
    """The same with the token that ended it."""
    ended_by: str = ""
    read: Positions = field(default_factory=Positions)

    def takes(self, token: int, stop_ids: Collection[int]) -> bool:
        """Take the row's next token; tells whether more may follow."""
        self.num_chosen += 1
        if token in stop_ids or token == NO_TOKEN:
            self.ended_by = NOT_FINITE if token == NO_TOKEN else "stop"
            return False
        self.writing.append(token)
        self.num_sampled += 1
        if self.num_sampled == self.request.max_new_tokens:
            self.ended_by = "length"
        return not self.ended_by

    @property
    def left(self) -> int:
        """How many tokens it may still write."""
        return self.request.max_new_tokens - self.num_sampled

    def resume(self, resumption: Resumption) -> None:
        """Go on behind what a pause has put in, or end there."""
        self.segments += [Segment(resumption.written), Segment(resumption.inserted, written=False)]
        self.writing = []
        self.ended_by = resumption.ended_by

    def generated(self) -> Generated:
        segments = [*self.segments, Segment(tuple(self.writing))]
        return Generated(tuple(segments), self.num_sampled, self.ended_by, self.read)

    def token_ids(self) -> tuple[int, ...]:
        """All that follows the prompt."""
        return tuple(id_ for segment in self.generated().segments for id_ in segment.token_ids)


W = TypeVar("W", bound=Writing)


def check_requests(requests: Sequence[WriteRequest]) -> None:
    """Raise ValueError where no token at all may be written."""
    for request in requests:
        if request.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {request.max_new_tokens}; it has to be 1 or more")


def done(rows: Sequence[Writing]) -> Iterator[tuple[int, Generated]]:
    """What those rows wrote that have ended."""
    return ((row.index, row.generated()) for row in rows if row.ended_by)


def has_to_wait(row: W, pauses: Pauses | None, waiting: list[tuple[W, Future[Any]]]) -> bool:
    """Whether a row has to wait for something; it is put into `waiting` then."""
    future = pauses.look(row.request.row, row.writing) if pauses else None
    if future is not None:
        waiting.append((row, future))
    return future is not None


def back_from_pause(
    waiting: list[tuple[W, Future[Any]]], pauses: Pauses, *, block: bool, together: bool
) -> list[W]:
    """Those rows of `waiting` whose pause is over, taken out of it; some of them may have ended with it.

    With `block` it waits until there are any; with `together` until all are over.
    """
    if not waiting:
        return []
    futures = [future for _, future in waiting]
    timeout = None if block or together else 0
    over = wait(futures, timeout, ALL_COMPLETED if together else FIRST_COMPLETED).done
    returned = [(row, future) for row, future in waiting if future in over]
    waiting[:] = [(row, future) for row, future in waiting if future not in over]
    for row, future in returned:
        row.resume(pauses.resume(row.request.row, future.result()))
    return [row for row, _ in returned]

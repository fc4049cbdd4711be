"""Decoding text, with prompts that may hold latent thoughts, and rows that may pause.

A row that is done leaves the batch, and the next one that waits takes its place. A row that pauses leaves it,
too, and keeps its place. When its pause is over, it is read, its prompt with all that has followed, and joins
the batch again; what it had read before may be kept for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from recursivemas.engine.base import Generated, Pauses, WriteRequest
from recursivemas.engine.reading import Row
from recursivemas.engine.running import Running, WrittenRow
from recursivemas.engine.writing import back_from_pause, check_requests, done, has_to_wait


def decode(
    running: Running,
    rows: Sequence[Row],
    requests: Sequence[WriteRequest],
    *,
    width: int,
    can_join: bool,
    stop_ids: Collection[int],
    pauses: Pauses | None = None,
    on_step: Callable[[int], None] | None = None,
    rejoin_every: int = 0,
) -> Iterator[tuple[int, Generated]]:
    """Write after rows, `width` of them side by side at most; yields a row's number when it is done.

    A row that is done makes room for the next one; without `can_join` that waits until none is left.
    `requests` are what is wanted of the rows, in the same order; all else is told at
    `recursivemas.engine.Session.write`, whose work this is. What is kept of a row is noted in it.
    """
    queue = _queue(rows, requests, width)
    waiting: list[tuple[WrittenRow, Future[Any]]] = []
    num_steps = 0
    while running.rows or waiting or queue:
        room = width - len(running.rows) - len(waiting)
        if queue and room and (can_join or not running.rows):
            running.join(_next_ones(queue, room, together=not can_join))
        ran = running.rows
        if ran:
            going = list(range(len(ran)))
            for tokens in running.choose():
                num_steps += 1
                going = [
                    index
                    for index in going
                    if ran[index].takes(tokens[index], stop_ids)
                    and not has_to_wait(ran[index], pauses, waiting)
                ]
                if on_step:
                    on_step(len(going) + len(waiting) + len(queue))
                if not going:
                    break
            running.go_on(going)
            yield from done(ran)
        if not pauses or (rejoin_every and running.rows and num_steps % rejoin_every):
            continue
        idle = not running.rows and not (queue and len(waiting) < width)
        back = back_from_pause(waiting, pauses, block=idle, together=bool(rejoin_every))
        yield from done(back)
        back = [row for row in back if not row.ended_by]
        if back:
            running.join(back)


def _queue(rows: Sequence[Row], requests: Sequence[WriteRequest], width: int) -> deque[WrittenRow]:
    """The rows in the order in which they are taken up: where some have to wait, the longest come first.

    Those that may write most would be left alone at the end; of others, long prompts go side by side. Of
    forks as many as there is room for go all once, then all once more: so each is read before its copies, and
    no more of them wait with what they have read.
    """
    check_requests(requests)
    pairs = enumerate(zip(rows, requests, strict=True))
    queue = [WrittenRow(index=index, request=request, row=row) for index, (row, request) in pairs]
    if len(queue) > width:
        forks = dict.fromkeys(one.row.fork for one in queue)
        group = {fork: number // width for number, fork in enumerate(forks)}
        queue.sort(
            key=lambda one: (
                -one.request.max_new_tokens,
                group[one.row.fork] if one.row.fork else -len(one.row),
            )
        )
    return deque(queue)


def _next_ones(queue: deque[WrittenRow], room: int, *, together: bool) -> list[WrittenRow]:
    """Take those out of the queue whose turn it is; a copy waits for the first of its fork to be read.

    With `together` none waits.
    """
    new: list[WrittenRow] = []
    while queue and len(new) < room:
        fork = queue[0].row.fork
        unread = fork is not None and fork.kept is None and any(one.row.fork is fork for one in new)
        if unread and not together:
            break
        new.append(queue.popleft())
    return new

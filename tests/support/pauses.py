"""Rows that pause here and there, for tests of decoding."""

from __future__ import annotations

import random
from concurrent.futures import Future
from threading import Timer

from recursivemas.engine import Generated, Resumption
from tests.support.backbones import VOCAB_SIZE
from tests.support.sessions import GREEDY, write

STOP_IDS = frozenset(range(3, 11))
CALLING_IDS = frozenset(range(11, 80))
LENGTHS = (1, 23, 4, 9, 40, 2, 12, 6)
MAX_NEW_TOKENS = 20
MAX_PAUSES = 3


def insertion(written: list[int]) -> list[int]:
    """What follows a call: from 1 to 30 ids that depend on what was written."""
    chance = random.Random(str(written))
    return [chance.randrange(80, VOCAB_SIZE) for _ in range(chance.choice([1, 5, 30]))]


class Scattered:
    """Rows pause at certain tokens, which are replaced; they come back after some steps, or at once."""

    def __init__(self, after: int | None) -> None:
        self._after = after
        self._steps = 0
        self._due: list[tuple[int, Future[list[int]]]] = []
        self.num_pauses: dict[int, int] = {}
        self.num_waited = 0

    def look(self, row, written):
        if written[-1] not in CALLING_IDS or self.num_pauses.get(row, 0) == MAX_PAUSES:
            return None
        self.num_pauses[row] = self.num_pauses.get(row, 0) + 1
        future: Future[list[int]] = Future()
        future.written = list(written)
        self._due.append((self._steps + (self._after or 0) * (row % 3), future))
        if self._after is None:
            future.set_result(future.written)
        else:  # when all rows wait, there are no steps to come
            timer = Timer(0.02, self._give, [future])
            timer.daemon = True
            timer.start()
        return future

    def tick(self, num_left: int) -> None:
        self._steps += 1
        for due, future in self._due:
            if due <= self._steps:
                self._give(future)

    def _give(self, future):
        if not future.done():
            self.num_waited += 1
            future.set_result(future.written)

    def resume(self, row, written):
        return Resumption((*written[:-1], 12), tuple(insertion(written)))


def prompts_for() -> list[list[tuple[int, ...]]]:
    chance = random.Random(7)
    return [[tuple(chance.randrange(11, VOCAB_SIZE) for _ in range(length))] for length in LENGTHS]


def write_rows(engine, prompts, rows, pauses, sampling=GREEDY) -> list[Generated]:
    return write(
        engine,
        [prompts[row] for row in rows],
        max_new_tokens=MAX_NEW_TOKENS,
        stop_ids=STOP_IDS,
        sampling=sampling,
        names=rows,
        pauses=pauses,
        on_step=pauses.tick,
    )

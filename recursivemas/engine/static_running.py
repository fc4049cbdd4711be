"""Rows on a static cache: those that think, and those that are written after, whose tokens come in blocks.

Shapes: B rows, L latent steps, D hidden size.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from recursivemas.engine.reading import Reader
from recursivemas.engine.running import WrittenRow, read_rows
from recursivemas.engine.static_pool import StaticPool
from recursivemas.engine.static_rows import Choosing, StaticRows
from recursivemas.engine.stream import Rollout, Stream
from recursivemas.links import InnerLink
from recursivemas.sampling import SamplingSettings

BLOCK = 8
"""How many tokens a row are fetched at a time."""


@dataclass(eq=False)
class _Placed:
    """A running row and where it stands."""

    row: WrittenRow
    place: int
    length: int
    """How many positions it has."""
    ahead: random.Random
    """Gives what the row's own random numbers will be: some are drawn for tokens that nobody takes."""
    num_chosen: int
    """How many tokens had been chosen for it when it came."""

    @classmethod
    def at(cls, place: int, row: WrittenRow, length: int) -> _Placed:
        ahead = random.Random()
        ahead.setstate(row.request.stream.getstate())
        return cls(row, place, length, ahead, row.num_chosen)


class StaticRunning:
    """At most `width` rows at places of a static cache, which they keep until few are left.

    A row that ends within a block leaves when the block is done. With blocks of 1 each token is looked at
    before it is fed back.
    """

    _static: StaticRows

    def __init__(
        self,
        reader: Reader,
        pool: StaticPool,
        sampling: SamplingSettings,
        stop_ids: Collection[int],
        *,
        width: int,
        block: int = BLOCK,
    ) -> None:
        self._reader, self._pool = reader, pool
        self._choosing = Choosing(sampling, frozenset(stop_ids))
        self._width, self._block = width, block
        self._placed: list[_Placed] = []

    @property
    def rows(self) -> list[WrittenRow]:
        return [placed.row for placed in self._placed]

    def join(self, new: Sequence[WrittenRow]) -> None:
        stream = read_rows(self._reader, new)
        count = len(self._placed) + len(new)
        longest = max([*stream.lengths, *(placed.length for placed in self._placed)])
        if not self._placed:
            self._static = self._pool.take(partial(stream.cut, 0, stream.lengths[0]), self._width, longest)
        static = self._static
        static.reserve(longest)
        static.narrow(count)
        taken = {placed.place for placed in self._placed}
        free = [place for place in range(static.num_rows) if place not in taken]
        for index, (row, place) in enumerate(zip(new, free, strict=False)):
            length = stream.lengths[index]
            static.put(place, stream.cut(index, length), left=row.left, said=row.said())
            self._placed.append(_Placed.at(place, row, length))
        static.narrow(1 + max(placed.place for placed in self._placed))

    def choose(self) -> list[list[int]]:
        static, placed = self._static, self._placed
        count = min(self._block, max(one.row.left for one in placed))
        static.reserve(max(one.length for one in placed) + count)
        report = static.choose(self._choosing, count, self._fractions(count)).tolist()
        for one in placed:
            one.length = report[count][one.place]
        return [[tokens[one.place] for one in placed] for tokens in report[:count]]

    def _fractions(self, count: int) -> torch.Tensor:
        """Random numbers for so many tokens of each row, [count, B]."""
        fractions = torch.zeros(count, self._static.width, dtype=torch.float64)
        if not self._choosing.sampling.greedy:
            for one in self._placed:
                drawn = [one.ahead.random() for _ in range(count)]
                fractions[:, one.place] = torch.tensor(drawn, dtype=torch.float64)
        return fractions.to(self._reader.backbone.device, non_blocking=True)

    def go_on(self, going: Sequence[int]) -> None:
        for index, one in enumerate(self._placed):
            if index not in going:
                self._leave(one)
        self._placed = [self._placed[index] for index in going]
        if self._placed:
            self._close_up()
            self._static.feed()
            for one in self._placed:
                one.length += 1
        else:
            self._pool.give_back(self._static)

    def _leave(self, one: _Placed) -> None:
        static = self._static
        one.row.keep(self._reader.keep(lambda: static.cut(one.place, one.length)), one.length)
        static.free(one.place)
        if not self._choosing.sampling.greedy:
            for _ in range(one.row.num_chosen - one.num_chosen):
                one.row.request.stream.random()

    def _close_up(self) -> None:
        """Where few rows are left, have them stand at the first places, which alone take steps then."""
        static = self._static
        static.narrow(len(self._placed))
        taken = {one.place for one in self._placed}
        free = [place for place in range(static.width) if place not in taken]
        for one in self._placed:
            if one.place >= static.width:
                place = free.pop(0)
                static.move(one.place, place)
                one.place = place


def roll_out_static(pool: StaticPool, stream: Stream, link: InnerLink, steps: int) -> Rollout:
    """Think for `steps` steps (2 or more) after what a stream has read, which must not be used again.

    What comes of it is that of `recursivemas.engine.stream.roll_out`.
    """
    count = len(stream.lengths)
    static = pool.take(partial(stream.cut, 0, stream.lengths[0]), count, max(stream.lengths) + steps - 1)
    for place, length in enumerate(stream.lengths):
        static.put(place, stream.cut(place, length))
    hidden, thoughts = [stream.hidden], []
    for _ in range(steps - 1):
        fed, after = static.think(link)
        thoughts.append(fed[:count])
        hidden.append(after[:count])
    pool.give_back(static)
    thoughts.append(link(hidden[-1]))
    return Rollout(torch.stack(hidden, dim=1), torch.stack(thoughts, dim=1))

"""The trained toy's task: follow coloured arrows over a board of 100 squares.

From every square one arrow of each colour leads to another square. A question names a square and the colours
of up to three arrows, and asks where they end. Nobody can tell that without the tables of arrows, which are
drawn at random and known by heart, a colour an agent: so agents have to tell each other how far they got.
An agent takes at most one arrow a turn, so that how many rounds a question needs depends on its colours.

What is said about a place is a `Report`: the square, and how many of the arrows are done. A question begins
with one, too, so that taking a question up and going on from a message are the same thing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

COLOURS = ("red", "green", "blue")
LETTERS = "ABCDEFGHIJ"
SQUARES = tuple(f"{letter}{number}" for letter in LETTERS for number in range(10))
COUNTS = ("zero", "one", "two", "three")
STAY = "none"
"""Stands for the colour where an agent takes no arrow."""
MAX_ARROWS = len(COUNTS) - 1
NUM_HELD_OUT_SQUARES = 17
TABLE_SEED = 2604


def _draw_table(colour: str) -> dict[str, str]:
    """A permutation of the squares in which no square leads to itself."""
    random = Random(f"{TABLE_SEED}/{colour}")
    order = list(SQUARES)
    random.shuffle(order)
    return dict(zip(order, [*order[1:], order[0]], strict=True))


ARROWS = {colour: _draw_table(colour) for colour in COLOURS}
"""By colour, where the arrow from a square leads."""
TOLLS = dict(zip(SQUARES, Random(TABLE_SEED).choices(range(11, 100), k=len(SQUARES)), strict=True))
"""What a person pays on a square: it stands in the folder that the tool caller searches."""
HELD_OUT_SQUARES = frozenset(Random(TABLE_SEED).sample(SQUARES, NUM_HELD_OUT_SQUARES))
"""Where the questions begin that nothing was trained on."""
PATHS = tuple(path for length in (2, 3) for path in product(COLOURS, repeat=length) if len(set(path)) > 1)
"""The colours of a question's arrows in order: never one alone, which a single agent could follow."""


@dataclass(frozen=True)
class Report:
    """How far somebody got."""

    square: str
    num_done: int

    def __str__(self) -> str:
        return f"{self.square}, {COUNTS[self.num_done]} done"


@dataclass(frozen=True)
class Step:
    """One agent's turn: from a report on by an arrow, or by none."""

    start: Report
    colour: str
    end: Report

    def __str__(self) -> str:
        return f"From {self.start} by {self.colour} to {self.end}."


@dataclass(frozen=True)
class Trip:
    """A question: from a report on along arrows."""

    start: Report
    path: tuple[str, ...]
    num_people: int = 0
    """Where it is not 0, what so many people pay at the end is asked, too."""

    @property
    def end(self) -> str:
        square = self.start.square
        for colour in self.path[self.start.num_done :]:
            square = ARROWS[colour][square]
        return square

    @property
    def answer(self) -> str:
        return str(self.num_people * TOLLS[self.end]) if self.num_people else self.end

    def __str__(self) -> str:
        asked = f"What do {self.num_people} people pay there?" if self.num_people else "Where do they end?"
        arrows = ", ".join(
            f"after {count} {colour}" for count, colour in zip(COUNTS, self.path, strict=False)
        )
        return f"You are on {self.start}. The arrows are {arrows}. {asked}"

    def step(self, report: Report, known: Collection[str]) -> Step:
        """What an agent says that goes on from the report, and knows the arrows of these colours."""
        if report.num_done < len(self.path) and (colour := self.path[report.num_done]) in known:
            return Step(report, colour, Report(ARROWS[colour][report.square], report.num_done + 1))
        return Step(report, STAY, report)


def trips(squares: Sequence[str]) -> Iterator[Trip]:
    """All questions that begin on one of the squares, with no arrow done."""
    return (Trip(Report(square, 0), path) for square in squares for path in PATHS)


def random_report(random: Random, path: Sequence[str]) -> Report:
    """A report that says nothing of where a question began: its square is drawn by itself."""
    return Report(random.choice(SQUARES), random.randint(0, len(path)))

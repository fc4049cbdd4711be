"""What the trained toy's agents are taught: one turn at a time, with reports that are drawn at random.

A lesson is a prompt as the recursion shows it, messages in its slots, and what the agent says to that. The
squares in messages have nothing to do with where the question began, so no lesson tells where a question
ends: that takes the agents together. See recursivemas/toy/board.py for the task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from recursivemas.styles import Style
from recursivemas.tools.search.base import Hit
from recursivemas.tools.search.tool import format_hits
from recursivemas.tools.tags import as_block
from recursivemas.toy.board import (
    ARROWS,
    COLOURS,
    HELD_OUT_SQUARES,
    PATHS,
    SQUARES,
    STAY,
    TOLLS,
    Report,
    Step,
    Trip,
)

KNOWN: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "sequential": {"planner": ("red",), "critic": ("green",), "solver": ("blue",)},
    "mixture": {"math": ("red",), "code": ("green",), "science": ("blue",), "summarizer": ()},
    "distillation": {"expert": ("red", "green"), "learner": ("blue",)},
    "deliberation": {"reflector": COLOURS, "toolcaller": ()},
}
"""By style family and role, whose arrows an agent knows by heart."""
TRAINED_SQUARES = tuple(square for square in SQUARES if square not in HELD_OUT_SQUARES)
PEOPLE = range(2, 10)


@dataclass(frozen=True)
class Passage:
    """A piece of what an agent says, or (`learned` False) of what a tool answered."""

    text: str
    learned: bool = True


@dataclass(frozen=True)
class Turn:
    """One agent's turn on a question: the messages it reads by slot, and what it says."""

    trip: Trip
    feedback: bool
    """Whether it is a turn with feedback, as in every round but the first."""
    messages: Mapping[str, str]
    reply: tuple[Passage, ...]

    @property
    def text(self) -> str:
        return "".join(passage.text for passage in self.reply)


def known_colours(style: Style, role: str) -> tuple[str, ...]:
    return KNOWN[style.family][role]


def asks_tolls(style: Style) -> bool:
    """Whether questions go on to a toll: where the answering agent has tools to find it with."""
    return bool(style.agent(style.answering_role).tools)


def toll_page(square: str) -> str:
    return f"{square}: {TOLLS[square]}"


class TurnMaker:
    """Makes turns of one agent of a style, at random."""

    def __init__(self, style: Style, role: str) -> None:
        self._style = style
        self._role = role
        self._known = known_colours(style, role)
        self._answers = role == style.answering_role
        self._asks_tolls = asks_tolls(style)

    def random_turn(self, random: Random) -> Turn:
        path = random.choice(PATHS)
        people = random.choice(PEOPLE) if self._asks_tolls else 0
        trip = Trip(random_start(random, path), path, people)
        has_feedback = any(link.feedback for link in self._style.inbound(self._role, with_feedback=True))
        return self.turn(random, trip, feedback=has_feedback and random.random() < 0.6)

    def turn(self, random: Random, trip: Trip, *, feedback: bool) -> Turn:
        """A turn on that question, its messages drawn at random."""
        links = self._style.inbound(self._role, with_feedback=feedback)
        report = trip.start
        messages = {}
        if links:
            report = Report(random.choice(SQUARES), random.randint(0, len(trip.path)))
            before, steps = report, {}
            for link in links:
                known = known_colours(self._style, link.source)
                steps[link] = (
                    trip.step(before, known) if len(links) > 1 else _step_to(random, trip, report, known)
                )
                report = max(report, steps[link].end, key=lambda end: end.num_done)
            for link, step in steps.items():
                answers = link.source == self._style.answering_role
                messages[link.slot] = "".join(passage.text for passage in say(trip, step, answers))
        reply = say(trip, trip.step(report, self._known), self._answers)
        return Turn(trip, feedback, messages, reply)


def say(trip: Trip, step: Step, answers: bool) -> tuple[Passage, ...]:
    """An agent's words for its step; one that answers puts the square, or what is paid there, in a box."""
    if not answers:
        return (Passage(str(step)),)
    square = step.end.square
    if not trip.num_people:
        return (Passage(f"{step} \\boxed{{ {square} }}"),)
    toll = TOLLS[square]
    page = toll_page(square)
    found = format_hits(square, [Hit(title=page, url=f"{square}.txt", content=page)])
    total = toll * trip.num_people
    return (
        Passage(f"{step} <search> {square} </search>"),
        Passage(as_block(found), learned=False),
        Passage(f" <python> print({toll} * {trip.num_people}) </python>"),
        Passage(as_block(str(total)), learned=False),
        Passage(f" \\boxed{{ {total} }}"),
    )


def random_start(random: Random, path: Sequence[str]) -> Report:
    num_done = random.randint(0, len(path))
    return Report(random.choice(SQUARES if num_done else TRAINED_SQUARES), num_done)


def _step_to(random: Random, trip: Trip, report: Report, known: Sequence[str]) -> Step:
    """A step that ends in the report, by the last arrow where it is one of those and a coin says so."""
    last = trip.path[report.num_done - 1] if report.num_done else STAY
    if last in known and random.random() < 0.7:
        before = next(square for square, next_one in ARROWS[last].items() if next_one == report.square)
        return Step(Report(before, report.num_done - 1), last, report)
    return Step(report, STAY, report)


def drill(random: Random, known: Sequence[str], num_steps: int) -> str:
    """Steps by known arrows from random squares, one after the other: the tables, to be learnt by heart."""
    steps = []
    for _ in range(num_steps):
        trip = Trip(Report(random.choice(SQUARES), 0), (random.choice(known),))
        steps.append(str(trip.step(trip.start, known)))
    return " ".join(steps)

"""What a grader returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recursivemas.question import Question
from recursivemas.values import Flag, Real, Text


@dataclass(frozen=True, kw_only=True)
class Grade:
    """A verdict on one answer.

    `extracted` is what the answer was read as, None where none was found. A grader that goes on without one
    may take something else for it, such as the whole text: `extracted` is a `stand_in` then. `how` says in
    words what decided. `score` is a finer measure from 0 to 1 where a grader has one. `error` says why the
    grader came to no verdict: the answer is not counted as correct then, and counted apart as undecided.
    """

    correct: Flag
    extracted: Text | None
    how: Text
    score: Real | None = None
    error: Text | None = None
    stand_in: Flag = False

    @property
    def answer(self) -> str | None:
        """What was read and is no stand-in."""
        return None if self.stand_in else self.extracted


Grader = Callable[[str, Question], Grade]
"""(the answering agent's whole text, the question) -> verdict. The same one every time."""

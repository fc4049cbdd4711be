"""What a grader returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recursivemas.question import Question
from recursivemas.values import Flag, Real, Text


@dataclass(frozen=True, kw_only=True)
class Grade:
    """A verdict on one answer."""

    correct: Flag
    extracted: Text | None
    """What the answer was read as, None where none was found."""
    how: Text
    """In words, what decided."""
    score: Real | None = None
    """A finer measure from 0 to 1, where a grader has one."""
    error: Text | None = None
    """Why the grader came to no verdict: the answer is not counted as correct then, and counted apart as
    undecided."""
    stand_in: Flag = False
    """Whether no answer was found and `extracted` is something else that was taken for it, such as the whole
    text."""

    @property
    def answer(self) -> str | None:
        """What was read and is no stand-in."""
        return None if self.stand_in else self.extracted


Grader = Callable[[str, Question], Grade]
"""(the answering agent's whole text, the question) -> verdict. The same one every time."""

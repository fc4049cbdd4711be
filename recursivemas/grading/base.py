"""What a grader returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recursivemas.question import Question


@dataclass(frozen=True, kw_only=True)
class Grade:
    """A verdict on one answer.

    `extracted` is what the answer was read as, None where nothing marked as an answer was found (the verdict
    may still be correct: see the grader). `how` says in words what decided.
    """

    correct: bool
    extracted: str | None
    how: str


Grader = Callable[[str, Question], Grade]
"""(the answering agent's whole text, the question) -> verdict. Pure: no model, no state."""

"""Grading: text + question -> Grade, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable

from recursivemas.grading.base import Grade, Grader
from recursivemas.grading.extract import has_answer
from recursivemas.grading.release import grade_release
from recursivemas.question import Question

GRADERS: dict[str, Grader] = {"release": grade_release}


def grade(text: str, question: Question, graders: Iterable[str]) -> dict[str, Grade]:
    """A verdict by each named grader, in that order; ValueError for a name that is not known."""
    names = list(graders)
    for name in names:
        if name not in GRADERS:
            raise ValueError(f"unknown grader {name!r}; known are {', '.join(GRADERS)}")
    return {name: GRADERS[name](text, question) for name in names}


__all__ = ["GRADERS", "Grade", "Grader", "grade", "has_answer"]

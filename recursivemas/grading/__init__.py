"""Grading: text + question -> Grade."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from recursivemas.grading.base import Grade, Grader
from recursivemas.grading.judge import Judge, JudgeSettings
from recursivemas.grading.plain import grade_math_verify
from recursivemas.grading.release import grade_release
from recursivemas.grading.release import has_answer as release_has_answer
from recursivemas.grading.strict import grade_strict, has_answer
from recursivemas.question import Question

GRADERS: dict[str, Grader] = {
    "release": grade_release,
    "strict": grade_strict,
    "math_verify": grade_math_verify,
}


def grade(
    text: str, question: Question, graders: Iterable[str], more: Mapping[str, Grader] | None = None
) -> dict[str, Grade]:
    """A verdict by each named grader, in that order, then by each of `more`, such as a Judge.

    Raises ValueError for a name that is not known.
    """
    chosen = {}
    for name in graders:
        if name not in GRADERS:
            raise ValueError(f"unknown grader {name!r}; known are {', '.join(GRADERS)}")
        chosen[name] = GRADERS[name]
    chosen.update(more or {})
    return {name: grader(text, question) for name, grader in chosen.items()}


__all__ = [
    "GRADERS",
    "Grade",
    "Grader",
    "Judge",
    "JudgeSettings",
    "grade",
    "has_answer",
    "release_has_answer",
]

"""Questions that are on their way together."""

from __future__ import annotations

from collections.abc import Sequence

from recursivemas.question import Question
from recursivemas.recursion.prompts import Prepared


class Batch:
    """Prepared questions, a row each, and which of them could not go on.

    A row that has failed is carried along beside the others, which it does not touch, and counts for nothing.
    """

    def __init__(self, rows: Sequence[Prepared]) -> None:
        self.rows = list(rows)
        self.errors: dict[int, str] = {}
        """Why a question could not go on, by row."""

    def __len__(self) -> int:
        return len(self.rows)

    def question(self, row: int) -> Question:
        return self.rows[row].question

    @property
    def going(self) -> list[int]:
        """The rows that have not failed."""
        return [row for row in range(len(self.rows)) if row not in self.errors]

    def fail(self, row: int, error: str) -> None:
        """A row cannot go on; the first reason is the one that counts."""
        self.errors.setdefault(row, error)


def explain_not_finite(question: Question, what: str) -> str:
    """Why a question cannot go on: `what` a model or link gives for it is not finite."""
    return (
        f"question {question.id!r}: {what} is not finite (NaN or infinite numbers): a weight is damaged, or "
        "the dtype is too narrow for this model; give --dtype bfloat16 or float32"
    )

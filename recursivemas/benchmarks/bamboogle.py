"""Bamboogle: questions in two hops that a search engine does not answer at once."""

from __future__ import annotations

from recursivemas.benchmarks.base import Benchmark, Row, text_field
from recursivemas.question import Question


def to_question(row: Row, question_id: str, seed: int) -> Question:
    """The question alone; the prompts are those of boxed results."""
    return Question(
        id=question_id,
        text=text_field(row, "Question"),
        gold=text_field(row, "Answer"),
        kind="math",
        meta={"answer_form": "phrase"},
    )


BAMBOOGLE = Benchmark(
    name="bamboogle",
    to_question=to_question,
    columns=("Question", "Answer"),
    hub_id="chiayewken/bamboogle",
    split="test",
    id_columns=("id",),
    needs_tool="search",
)

"""MATH-500: competition mathematics with a boxed result."""

from __future__ import annotations

from recursivemas.benchmarks.base import MATHS_GRADERS, Benchmark, Row, text_field
from recursivemas.question import Question


def to_question(row: Row, question_id: str, seed: int) -> Question:
    return Question(
        id=question_id,
        text=text_field(row, "problem"),
        gold=text_field(row, "answer"),
        kind="math",
        meta={name: row[name] for name in ("subject", "level") if name in row},
    )


MATH500 = Benchmark(
    name="math500",
    to_question=to_question,
    columns=("problem", "answer"),
    aliases={"problem": ("question",)},
    hub_id="HuggingFaceH4/MATH-500",
    split="test",
    id_columns=("unique_id", "id"),
    graders=MATHS_GRADERS,
)

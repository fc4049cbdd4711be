"""AIME 2025: thirty competition problems whose results are integers from 0 to 999."""

from __future__ import annotations

from recursivemas.benchmarks.base import MATHS_GRADERS, Benchmark, Row, text_field
from recursivemas.grading.maths.reading import read_integer
from recursivemas.question import Question


def to_question(row: Row, question_id: str, seed: int) -> Question:
    """The problem, with an integer as its gold (one may carry a degree sign); ValueError where it is none."""
    gold = text_field(row, "answer")
    if read_integer(gold) is None:
        raise ValueError(f"answer {gold!r} is no integer, as every AIME result is")
    return Question(
        id=question_id,
        text=text_field(row, "problem"),
        gold=gold,
        kind="math",
        meta={"answer_form": "integer"},
    )


AIME25 = Benchmark(
    name="aime25",
    to_question=to_question,
    columns=("problem", "answer"),
    aliases={"problem": ("question",)},
    hub_id="math-ai/aime25",
    split="test",
    id_columns=("id",),
    metric="pass@10",
    graders=MATHS_GRADERS,
    num_rollouts=10,
)

"""HotpotQA: questions in several hops over Wikipedia, asked without the paragraphs that come with them."""

from __future__ import annotations

from recursivemas.benchmarks.base import Benchmark, Row, text_field
from recursivemas.question import Question


def to_question(row: Row, question_id: str, seed: int) -> Question:
    """The question alone, without its context; the prompts are those of boxed results."""
    return Question(
        id=question_id,
        text=text_field(row, "question"),
        gold=text_field(row, "answer"),
        kind="math",
        meta={"answer_form": "phrase", **{name: row[name] for name in ("type", "level") if name in row}},
    )


HOTPOTQA = Benchmark(
    name="hotpotqa",
    to_question=to_question,
    columns=("question", "answer"),
    hub_id="hotpotqa/hotpot_qa",
    config="distractor",
    split="validation",
    id_columns=("id", "_id"),
    needs_tool="search",
)

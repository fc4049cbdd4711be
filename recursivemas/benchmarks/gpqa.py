"""GPQA diamond: graduate-level science questions with four options, shuffled per question."""

from __future__ import annotations

import hashlib
import random
from string import ascii_uppercase

from recursivemas.benchmarks.base import Benchmark, Row, lettered_lines, text_field, with_choose_line
from recursivemas.question import Question

OPTION_COLUMNS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def option_order(question_text: str, seed: int) -> list[int]:
    """The places in `OPTION_COLUMNS` that stand at A, B, C and D, as the release shuffles them."""
    digest = hashlib.md5(f"{seed}::{question_text}".encode(), usedforsecurity=False).hexdigest()
    order = [0, 1, 2, 3]
    random.Random(int(digest[:16], 16)).shuffle(order)
    return order


def to_question(row: Row, question_id: str, seed: int) -> Question:
    """The question, its options as the release shuffles them, the line to choose; the gold is the letter.

    Source: docs/protocol.md, "Questions".
    """
    text = text_field(row, "Question")
    order = option_order(text, seed)
    options = tuple(text_field(row, OPTION_COLUMNS[place]) for place in order)
    return Question(
        id=question_id,
        text=with_choose_line(f"{text}\n{lettered_lines(options)}"),
        gold=ascii_uppercase[order.index(0)],
        kind="gpqa",
        options=options,
    )


GPQA = Benchmark(
    name="gpqa",
    to_question=to_question,
    columns=("Question", *OPTION_COLUMNS),
    hub_id="Idavidrein/gpqa",
    config="gpqa_diamond",
    split="train",
    gated=True,
    id_columns=("Record ID", "id"),
)

"""MedQA: medical choice questions from a local file."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence
from string import ascii_uppercase

from recursivemas.benchmarks.base import (
    Benchmark,
    Row,
    as_text,
    has_lettered_lines,
    lettered_lines,
    text_field,
    with_choose_line,
)
from recursivemas.question import Question


def to_question(row: Row, question_id: str, seed: int) -> Question:
    """`query`, else `question`, with the options where the text has none, and the line to choose.

    The gold is the answer's text, which has to be one of the options.

    Source: docs/protocol.md, "Questions".
    """
    options = option_texts(row["options"])
    answer = text_field(row, "answer")
    if answer not in options:
        raise ValueError(
            f"answer {answer!r} is none of the options {list(options)}; "
            "it has to be an option's text, without the letter"
        )
    text = _text(row)
    if not has_lettered_lines(text):
        text = f"{text}\n{lettered_lines(options)}"
    return Question(id=question_id, text=with_choose_line(text), gold=answer, kind="choice", options=options)


def _text(row: Row) -> str:
    for name in ("query", "question"):
        if row.get(name):
            return text_field(row, name)
    raise ValueError("neither 'query' nor 'question' holds a text")


def option_texts(options: object) -> tuple[str, ...]:
    """The options without their letters, which are taken off only where every option carries its own."""
    if not isinstance(options, Sequence) or isinstance(options, str):
        raise ValueError(
            f"field 'options' has to be a list such as ['A. ...', 'B. ...'], not {reprlib.repr(options)}"
        )
    texts = [as_text(option, f"options[{index}]").strip() for index, option in enumerate(options)]
    if not 2 <= len(texts) <= len(ascii_uppercase):
        raise ValueError(
            f"field 'options' has {len(texts)} entries; 2 to {len(ascii_uppercase)} are accepted"
        )
    prefixes = [
        re.match(rf"{letter}\s*[.):-]\s*", text) for letter, text in zip(ascii_uppercase, texts, strict=False)
    ]
    found = [prefix for prefix in prefixes if prefix]
    if len(found) == len(texts):
        texts = [text[prefix.end() :] for text, prefix in zip(texts, found, strict=True)]
    return tuple(texts)


MEDQA = Benchmark(
    name="medqa",
    to_question=to_question,
    columns=("options", "answer"),
    local_path="dataset/medqa.json",
    # The published file's own `idx` and `pid` repeat, so they name no question.
    id_columns=("id",),
)

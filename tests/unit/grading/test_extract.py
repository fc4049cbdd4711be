"""Answers read out of texts: the case table, and texts that could make a search slow."""

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recursivemas.grading import extract, has_answer
from recursivemas.question import Question

CASES = json.loads((Path(__file__).parents[2] / "cases" / "extract.json").read_text(encoding="utf-8"))[
    "cases"
]


def read(function: str, text: str) -> object:
    if function == "final_line":
        return extract.final_line(text, "answer")
    if function in ("lone_letter", "stated_letter"):
        return getattr(extract, function)(text, 4)
    return getattr(extract, function)(text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['function']}: {case['why']}")
def test_case(case):
    assert read(case["function"], case["text"]) == case["expected"]


def test_without_options_the_usual_letters_count():
    question = Question(id="q", text="Which?\nA. one\nB. two", kind="choice")
    assert has_answer("The answer is B", question)
    assert has_answer("\\boxed{D}", question)
    assert not has_answer("\\boxed{E}", question)


@given(st.text(alphabet="ab{}\\ ", max_size=20).filter(lambda text: text.strip()))
def test_a_box_gives_back_balanced_contents(content):
    depth = 0
    for brace in re.finditer(r"\\.|[{}]", content):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth < 0:
            return
    if depth == 0 and not content.endswith("\\"):
        assert extract.marked_answer(f"so \\boxed{{{content}}} }} end") == content.strip()


@pytest.mark.parametrize(
    "text",
    ["\\boxed{" * 5000, "```\n" * 20000, "Final Answer:" + " " * 50000, "answer" + "*" * 50000, "{" * 50000],
    ids=lambda text: text[:8].strip(),
)
def test_degenerate_text_is_read_in_linear_time(text):
    started = time.perf_counter()
    extract.has_code(text)
    extract.marked_answer(text)
    extract.lone_letter(text, 4)
    extract.stated_letter(text, 4)
    assert time.perf_counter() - started < 5

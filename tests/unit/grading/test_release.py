"""The release's grader: the case tables, and what its readings promise."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recursivemas.grading import GRADERS, grade
from recursivemas.grading.release import (
    MATH_READINGS,
    digits_before_point,
    grade_release,
    integer_part,
    release_gold_letter,
)
from recursivemas.question import Question

CASES = Path(__file__).parents[2] / "cases"


def cases(name: str) -> list[dict]:
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", cases("release_math"), ids=lambda case: case["why"])
def test_math_case(case):
    verdict = grade_release(case["text"], Question(id="q", text="?", gold=case["gold"]))
    assert (verdict.correct, verdict.extracted) == (case["correct"], case["extracted"])


@pytest.mark.parametrize("case", cases("release_choice"), ids=lambda case: case["why"])
def test_choice_case(case):
    question = Question(
        id="q", text="?", gold=case["gold"], kind=case["kind"], options=tuple(case["options"])
    )
    verdict = grade_release(case["text"], question)
    assert (verdict.correct, verdict.extracted) == (case["correct"], case["extracted"])


@given(st.text(max_size=30).filter(lambda text: text.strip()))
def test_anything_equals_itself(text):
    if any(read(text) for read in MATH_READINGS.values()):
        assert grade_release(text, Question(id="q", text="?", gold=text)).correct


@given(st.integers(), st.integers(0, 99))
def test_integer_part_of_a_decimal(whole, hundredths):
    assert integer_part(f"{whole}.{hundredths:02d}") == str(whole)


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**6))
def test_integer_part_of_a_fraction(over, under):
    expected = abs(over) // under * (-1 if over < 0 else 1)
    assert integer_part(f"\\frac{{{over}}}{{{under}}}") == str(expected)
    assert integer_part(f"-\\frac{{{over}}}{{{under}}}") == str(-expected)


def test_a_number_of_ten_thousand_digits_is_read():
    assert integer_part("1" * 10_000) == "1" * 10_000
    assert integer_part("\\frac{" + "1" * 10_000 + "}{7}") == "1" * 10_000


def test_digits_before_the_point():
    assert [digits_before_point(text) for text in ("12.5", " 12 ", "x. 3", ".5")] == ["12", "12", "", ""]


def test_how_names_the_reading_that_decided():
    verdict = grade_release("\\boxed{a + b}", Question(id="q", text="?", gold="a+b"))
    assert verdict.how == "LaTeX text: a+b"


def test_gold_that_fits_no_option_is_an_error():
    question = Question(id="q7", text="?", gold="Neon", kind="choice", options=("Iron", "Gold"))
    with pytest.raises(ValueError, match=r"q7 has the gold 'Neon'"):
        release_gold_letter(question)


def test_code_is_refused():
    with pytest.raises(ValueError, match="of the form function"):
        grade_release("def f(): ...", Question(id="q", text="?", kind="function"))


def test_grade_gives_one_verdict_per_grader():
    question = Question(id="q", text="?", gold="4")
    assert grade("\\boxed{4}", question, ["release"]) == {
        "release": GRADERS["release"]("\\boxed{4}", question)
    }
    with pytest.raises(ValueError, match="unknown grader 'kind'; known are release, strict"):
        grade("\\boxed{4}", question, ["kind"])

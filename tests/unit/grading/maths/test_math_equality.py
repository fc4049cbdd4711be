"""Exact comparison of mathematical answers: the case tables, and what holds for generated ones."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recursivemas.grading.maths.equality import equal
from recursivemas.grading.maths.pool import Comparison, MathPool

pytestmark = pytest.mark.process

CASES = Path(__file__).parents[3] / "cases"


@pytest.fixture(scope="module")
def pool():
    with MathPool(num_workers=1, limit_s=60) as pool:
        yield pool


def cases(name: str) -> list[dict]:
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", cases("strict_equal"), ids=lambda case: f"{case['gold']} | {case['answer']}")
def test_case(pool, case):
    assert pool.compare(case["gold"], case["answer"]) == Comparison(equal=case["equal"])
    assert pool.compare(case["answer"], case["gold"]) == Comparison(equal=case["equal"])


def test_pairs_that_a_benchmark_has_are_the_only_ones():
    """Over all answers of the table, only those of one line are equal."""
    pairs = [(case["gold"], case["answer"]) for case in cases("strict_pairs")]
    assert all(equal(*pair) for pair in pairs)
    answers = sorted({answer for pair in pairs for answer in pair})
    found = {frozenset((a, b)) for a in answers for b in answers if a != b and equal(a, b)}
    assert found == {frozenset(pair) for pair in pairs}


# ---------------------------------------------------------------------------------------------------------
# Generated answers. A change of one digit, sign or bound changes what each of them says.


def matrix(rows: str) -> str:
    return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"


integers = st.integers(-9999, 9999).map(str)
decimals = st.builds("{}{}.{}".format, st.sampled_from(["", "-"]), st.integers(0, 999), st.integers(0, 999))
fractions = st.builds(
    lambda sign, over, under: rf"{sign}\frac{{{over}}}{{{under}}}",
    st.sampled_from(["", "-"]),
    st.integers(1, 99),
    st.integers(2, 99),
)
roots = st.builds(r"{}\sqrt{{{}}}".format, st.integers(2, 9), st.sampled_from([2, 3, 5, 6, 7, 10, 11, 13]))
powers = st.builds("{}^{{-{}}}".format, st.integers(2, 9), st.integers(20, 300))
numbers = st.one_of(integers, decimals, fractions, roots, powers)
sets = st.lists(integers, min_size=2, max_size=4, unique=True).map(lambda items: rf"\{{{', '.join(items)}\}}")
intervals = st.builds(
    lambda opening, low, width, closing: f"{opening}{low}, {low + width}{closing}",
    st.sampled_from("(["),
    st.integers(-99, 99),
    st.integers(1, 99),
    st.sampled_from(")]"),
)
matrices = st.lists(st.lists(integers, min_size=2, max_size=2), min_size=1, max_size=3).map(
    lambda rows: matrix(r" \\ ".join(" & ".join(row) for row in rows))
)
texts = st.text("abcdefghijklmnopqrstuvwxyz", min_size=4, max_size=12).map(r"\text{{{}}}".format)
numerical = st.one_of(numbers, sets, intervals, matrices)
answers = st.one_of(numerical, texts)


def respelt(answer: str) -> str:
    """The same answer as another hand would write it."""
    respelt = answer.replace(r"\frac", r"\dfrac").replace(", ", r",\;").replace("pmatrix", "bmatrix")
    return rf"$\displaystyle {respelt}$."


@given(answers)
@settings(max_examples=80, deadline=None)
def test_an_answer_equals_itself_however_it_is_spelt(answer):
    assert equal(answer, answer)
    assert equal(answer, respelt(answer))
    assert equal(respelt(answer), answer)


@given(numerical, st.data())
@settings(max_examples=100, deadline=None)
def test_another_digit_is_another_answer(answer, data):
    place = data.draw(st.sampled_from([i for i, char in enumerate(answer) if char.isdigit()]))
    digit = data.draw(st.sampled_from("0123456789").filter(lambda digit: digit != answer[place]))
    changed = answer[:place] + digit + answer[place + 1 :]
    assert not equal(answer, changed)
    assert not equal(changed, answer)


@given(numerical, st.data())
@settings(max_examples=60, deadline=None)
def test_another_sign_is_another_answer(answer, data):
    written = [match for match in re.finditer(r"-?\d+(?:\.\d+)?", answer) if re.search("[1-9]", match[0])]
    assume(written)
    number = data.draw(st.sampled_from(written))
    turned = number[0][1:] if number[0].startswith("-") else f"-{number[0]}"
    changed = answer[: number.start()] + turned + answer[number.end() :]
    assert not equal(answer, changed)
    assert not equal(changed, answer)


@given(intervals, st.sampled_from([0, -1]))
@settings(max_examples=50, deadline=None)
def test_another_bound_is_another_answer(interval, end):
    other = {"(": "[", "[": "(", ")": "]", "]": ")"}[interval[end]]
    changed = other + interval[1:] if end == 0 else interval[:-1] + other
    assert not equal(interval, changed)
    assert not equal(changed, interval)


@given(texts, st.data())
@settings(max_examples=50, deadline=None)
def test_another_letter_is_another_word(text, data):
    place = data.draw(st.integers(len(r"\text{"), len(text) - 2))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz").filter(lambda char: char != text[place]))
    assert not equal(text, text[:place] + letter + text[place + 1 :])


@given(st.text(r"\{}()[]^_$%,.;:=<>|/+-*'0123456789abcdefghiotuxysqrt ", max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_text_can_be_compared(text):
    assert equal(text, text) is bool(text.strip())
    assert equal("17x + 1", text) is equal(text, "17x + 1")

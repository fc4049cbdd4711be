"""Exact match and F1: the case table, and what they promise."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recursivemas.grading.search import exact_match, f1

CASES = json.loads((Path(__file__).parents[2] / "cases" / "search.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['answer']} | {case['gold']}")
def test_case(case):
    assert exact_match(case["answer"], case["gold"]) is case["exact_match"]
    assert f1(case["answer"], case["gold"]) == pytest.approx(case["f1"])


@given(st.text("abc ,.THE", max_size=12), st.text("abc ,.THE", max_size=12))
def test_f1_is_symmetric_and_1_for_an_exact_match_alone(a, b):
    assert f1(a, b) == f1(b, a)
    assert 0 <= f1(a, b) <= 1
    if exact_match(a, b) and a.strip():
        assert f1(a, b) == 1

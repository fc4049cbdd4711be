"""math-verify as a grader: its own verdicts, right and wrong, on whole texts."""

from __future__ import annotations

import logging

import pytest
from math_verify import parse, verify

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.grading import GRADERS, grade
from recursivemas.grading.maths.pool import Comparison
from recursivemas.question import Question

pytestmark = pytest.mark.process

CASES = [
    # gold, text, correct, extracted
    ("42", "So the answer is 42.", True, "42"),
    ("42", r"\boxed{42}", True, "42"),
    ("-5", "It is -5", True, "-5"),
    ("0.5", "Answer: 2/4", True, "2/4"),
    (r"\frac{1}{2}", r"Thus $x=\frac12$.", True, r"x=\frac{1}{2}"),
    (r"\text{north}", r"\boxed{\text{north}}", True, r"\text{north}"),
    ("5", "-5", False, "-5"),
    ("70", r"\boxed{70 + 3}", False, "70 + 3"),
    ("7", "no number", False, None),
    ("7", "", False, None),
    # what strict has otherwise
    (r"50\%", r"\boxed{50}", True, "50"),
    ("213_5", r"\boxed{213}", True, "213"),
    ("42", r"\boxed{41} or rather \boxed{42}", False, "41,42"),
    (r"\text{north}", r"\boxed{north}", False, "north"),
]


@pytest.mark.parametrize(("gold", "text", "correct", "extracted"), CASES)
def test_the_verdict_is_math_verifys(gold, text, correct, extracted):
    verdict = GRADERS["math_verify"](text, Question(id="q", text="?", gold=gold))
    assert (verdict.correct, verdict.extracted, verdict.error) == (correct, extracted, None)
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    assert verdict.correct == verify(parse(f"${gold}$"), parse(text)), "by itself, in this process"


def test_every_benchmark_of_mathematics_has_the_column_and_no_other():
    with_it = {name for name, benchmark in BENCHMARKS.items() if "math_verify" in benchmark.graders}
    assert with_it == {"math500", "aime25", "aime26"}
    assert {benchmark.graders[0] for benchmark in BENCHMARKS.values()} == {"release"}


def test_an_integer_is_compared_as_mathematics():
    question = Question(id="q", text="?", gold="073", meta={"answer_form": "integer"})
    verdicts = grade(r"\boxed{73.0}", question, ["math_verify"])
    assert verdicts["math_verify"].correct


def test_what_is_no_mathematics_is_refused():
    question = Question(id="q7", text="?", gold="Rome", meta={"answer_form": "phrase"})
    with pytest.raises(ValueError, match=r"q7 asks for .* the form phrase, which math-verify does not read"):
        GRADERS["math_verify"](r"\boxed{Rome}", question)


def test_an_unreadable_gold_leaves_it_undecided():
    verdict = GRADERS["math_verify"](r"\boxed{1}", Question(id="q", text="?", gold=" "))
    assert not verdict.correct
    assert verdict.error == "math-verify reads nothing in the gold ' '"


def test_a_comparison_without_an_end_is_undecided(monkeypatch):
    class Stuck:
        def math_verify(self, gold, text):
            return Comparison(equal=False, error="not compared: it would take more than 10 s")

    monkeypatch.setattr("recursivemas.grading.plain.shared_pool", Stuck)
    verdict = GRADERS["math_verify"](r"\boxed{x}", Question(id="q", text="?", gold="y"))
    assert (verdict.correct, verdict.how) == (False, "not compared with y")
    assert verdict.error == "not compared: it would take more than 10 s"

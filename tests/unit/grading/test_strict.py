"""The strict grader: the case tables, and its figures beside the release's."""

import json
from pathlib import Path

import pytest

from recursivemas.grading import GRADERS, grade
from recursivemas.grading.maths.pool import Comparison
from recursivemas.grading.strict import gold_letters, grade_strict
from recursivemas.question import Question

CASES = Path(__file__).parents[2] / "cases"


def cases(name: str) -> list[dict]:
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))["cases"]


def why(case: dict) -> str:
    return case["why"]


@pytest.mark.parametrize("case", cases("strict_math"), ids=why)
def test_math_case(case):
    verdict = grade_strict(case["text"], Question(id="q", text="?", gold=case["gold"]))
    assert (verdict.correct, verdict.extracted) == (case["correct"], case["extracted"])
    assert verdict.error is None


@pytest.mark.parametrize("case", cases("strict_integer"), ids=why)
def test_integer_case(case):
    question = Question(id="q", text="?", gold=case["gold"], meta={"answer_form": "integer"})
    verdict = grade_strict(case["text"], question)
    assert (verdict.correct, verdict.extracted) == (case["correct"], case["extracted"])


@pytest.mark.parametrize("case", cases("strict_choice"), ids=why)
def test_choice_case(case):
    question = Question(
        id="q", text="?", gold=case["gold"], kind=case["kind"], options=tuple(case["options"])
    )
    verdict = grade_strict(case["text"], question)
    assert (verdict.correct, verdict.extracted) == (case["correct"], case["extracted"])


@pytest.mark.parametrize(
    ("text", "gold", "correct", "extracted", "score"),
    [
        ("\\boxed{Marie Curie}", "Marie Curie", True, "Marie Curie", 1.0),
        ("\\boxed{\\text{Marie Curie}}", "Marie Curie", True, "\\text{Marie Curie}", 1.0),
        ("\\boxed{Curie}", "Marie Curie", False, "Curie", 2 / 3),
        ("Final Answer: Marie Curie", "Marie Curie", True, "Marie Curie", 1.0),
        ("It was Marie Curie.", "Marie Curie", False, None, 0.0),
        ("\\boxed{2 July 1934}", "4 July 1934", False, "2 July 1934", 2 / 3),
    ],
)
def test_phrases(text, gold, correct, extracted, score):
    question = Question(id="q", text="?", gold=gold, meta={"answer_form": "phrase"})
    verdict = grade_strict(text, question)
    assert (verdict.correct, verdict.extracted) == (correct, extracted)
    assert verdict.score == pytest.approx(score)


def test_the_release_compares_phrases_as_phrases():
    question = Question(id="q", text="?", gold="4 July 1934", meta={"answer_form": "phrase"})
    assert GRADERS["release"]("\\boxed{4 July, 1934}", question).correct
    assert not GRADERS["release"]("\\boxed{4 May 1900}", question).correct  # one integer part, as numbers go
    assert GRADERS["release"]("4 July 1934", question).correct
    assert GRADERS["release"]("4 July 1934", question).extracted is None


def test_both_graders_stand_side_by_side():
    verdicts = grade("\\boxed{3.2}", Question(id="q", text="?", gold="3.9"), ["release", "strict"])
    assert {name: verdict.correct for name, verdict in verdicts.items()} == {"release": True, "strict": False}


def test_more_graders_come_behind():
    def contrary(text, question):
        return GRADERS["strict"](text + "\\boxed{0}", question)

    verdicts = grade("\\boxed{4}", Question(id="q", text="?", gold="4"), ["strict"], {"contrary": contrary})
    assert [(name, verdict.correct) for name, verdict in verdicts.items()] == [
        ("strict", True),
        ("contrary", False),
    ]


def test_a_comparison_without_an_end_is_wrong_and_says_so(monkeypatch):
    class Stuck:
        def compare(self, gold, answer):
            return Comparison(equal=False, error="not compared within 10 s (killed)")

    monkeypatch.setattr("recursivemas.grading.strict.shared_pool", Stuck)
    verdict = grade_strict("\\boxed{x}", Question(id="q", text="?", gold="y"))
    assert not verdict.correct
    assert verdict.error == "not compared within 10 s (killed)"


def test_gold_letters():
    def letters(gold, *options, kind="choice"):
        return gold_letters(Question(id="q7", text="?", gold=gold, kind=kind, options=options))

    assert letters("Iron", "Gold", "Iron") == "B"
    assert letters("B", "Gold", "Iron") == "B"
    assert letters("Iron", "Iron", "Gold", "Iron") == "AC"
    assert letters("A", "B", "A", kind="gpqa") == "A"
    with pytest.raises(ValueError, match="q7 has the gold 'Neon'"):
        letters("Neon", "Gold", "Iron")
    with pytest.raises(ValueError, match="q7 has the gold 'C'"):
        letters("C", "Gold", "Iron")


def test_what_it_does_not_read_is_refused():
    with pytest.raises(ValueError, match="of the form essay"):
        grade_strict("...", Question(id="q", text="?", meta={"answer_form": "essay"}))
    with pytest.raises(ValueError, match="gold 'seven', which is no integer"):
        grade_strict("\\boxed{7}", Question(id="q", text="?", gold="seven", meta={"answer_form": "integer"}))

"""The strict grader: the case tables, and its figures beside the release's."""

import json
from pathlib import Path

import pytest

from recursivemas.grading import GRADERS, grade, has_answer
from recursivemas.grading.maths.pool import Comparison
from recursivemas.grading.strict import gold_letters, grade_strict
from recursivemas.question import Question

CASES = Path(__file__).parents[2] / "cases"


def cases(name: str) -> list[dict]:
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))["cases"]


def why(case: dict) -> str:
    return case["why"]


@pytest.mark.process
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
    assert GRADERS["release"]("4 July 1934", question).stand_in


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


def test_a_comparison_without_an_end_is_undecided_and_says_so(monkeypatch):
    class Stuck:
        def compare(self, gold, answer, in_percent):
            return Comparison(equal=False, error="not compared: it would take more than 10 s")

    monkeypatch.setattr("recursivemas.grading.strict.shared_pool", Stuck)
    verdict = grade_strict("\\boxed{x}", Question(id="q", text="?", gold="y"))
    assert not verdict.correct
    assert verdict.how == "not compared with y"
    assert verdict.error == "not compared: it would take more than 10 s"


@pytest.mark.parametrize("name", ["strict_math", "strict_integer", "strict_choice"])
def test_who_has_no_answer_to_the_grader_is_asked_again(name):
    """One rule for both: what is graded as an answer is not asked for again, and the other way round."""
    for case in cases(name):
        question = Question(
            id="q",
            text="?",
            gold=case["gold"],
            kind=case.get("kind", "math"),
            options=tuple(case.get("options", ())),
        )
        assert has_answer(case["text"], question) is (case["extracted"] is not None), case["why"]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("```python\nf = 1\n```", "function", True),
        ("```python\nf = 1", "program", False),
        ("\\boxed{5}", "function", False),
    ],
)
def test_code_is_asked_for_again_where_no_block_is_closed(text, kind, expected):
    assert has_answer(text, Question(id="q", text="?", kind=kind)) is expected


def test_a_phrase_may_stand_in_a_closing_line():
    question = Question(id="q", text="?", gold="Paris", meta={"answer_form": "phrase"})
    assert has_answer("Final Answer: Paris", question)
    assert not has_answer("It is Paris.", question)


PERCENT_QUESTIONS = [
    "What percent of the students are girls?",
    "By what percent does the area increase?",
    "Express the probability as a percent.",
    "Find the percentage of even numbers.",
    "What is the percent increase?",
    "Round to the nearest whole percent, and give your answer in percent.",
]


@pytest.mark.process
@pytest.mark.parametrize("text", PERCENT_QUESTIONS)
def test_where_percent_is_asked_for_it_may_be_left_out(text):
    def correct(answer, gold):
        return grade_strict(f"\\boxed{{{answer}}}", Question(id="q", text=text, gold=gold)).correct

    assert correct("30", "30\\%")
    assert correct("30\\%", "30")
    assert correct("x = 30", "30\\%")
    assert not correct("31", "30\\%")
    assert not correct("0.3", "30")
    assert not correct("30\\%", "31\\%")


@pytest.mark.process
@pytest.mark.parametrize(
    "text", ["What is the price after a 20 percent discount?", "Mix 30\\% acid with water. How many liters?"]
)
def test_elsewhere_a_percentage_is_another_number(text):
    question = Question(id="q", text=text, gold="30")
    assert not grade_strict("\\boxed{30\\%}", question).correct


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

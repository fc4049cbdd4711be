"""The release's grader: what the release itself says of 1,600 texts, and tables of our own."""

import json
from pathlib import Path

import pytest

from recursivemas.grading import GRADERS, grade
from recursivemas.grading.release import grade_release, has_answer, letter_of_option, release_gold_letter
from recursivemas.grading.release_reading import first_code
from recursivemas.question import Question

CASES = Path(__file__).parents[2] / "cases"


KINDS = {"math": "math", "choice": "choice", "code": "function"}


def cases(name: str) -> list[dict]:
    table = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return (
        [dict(zip(table["fields"], row, strict=True)) for row in table["cases"]]
        if "fields" in table
        else table["cases"]
    )


def verdict_of_ours(case: dict) -> tuple:
    """(correct, extracted, asked again) as the published cases have them."""
    kind = KINDS[case["task"]]
    options = ("w", "x", "y", "z") if kind == "choice" else ()
    question = Question(id="q", text="?", gold=case["gold"] or "", kind=kind, options=options)
    asked_again = not has_answer(case["text"], question)
    if kind == "function":
        return None, first_code(case["text"]) or "", asked_again
    verdict = grade_release(case["text"], question)
    return verdict.correct, verdict.extracted, asked_again


@pytest.mark.parametrize("task", KINDS)
def test_what_the_release_says(task):
    table = [case for case in cases("release_published") if case["task"] == task]
    wrong = [
        (case, ours)
        for case in table
        if (ours := verdict_of_ours(case)) != (case["correct"], case["extracted"], case["asked_again"])
    ]
    assert wrong == []
    assert len(table) == {"math": 800, "choice": 400, "code": 400}[task]


@pytest.mark.parametrize("case", cases("release_math"), ids=lambda case: case["why"])
def test_math_case(case):
    verdict = grade_release(case["text"], Question(id="q", text="?", gold=case["gold"]))
    assert (verdict.correct, verdict.answer) == (case["correct"], case["extracted"])


@pytest.mark.parametrize("case", cases("release_choice"), ids=lambda case: case["why"])
def test_choice_case(case):
    question = Question(
        id="q", text="?", gold=case["gold"], kind=case["kind"], options=tuple(case["options"])
    )
    verdict = grade_release(case["text"], question)
    assert (verdict.correct, verdict.answer) == (case["correct"], case["extracted"])


@pytest.mark.parametrize(
    ("text", "kind", "extracted", "answer"),
    [
        (" it is 4 ", "math", "it is 4", None),
        ("Final Answer: 4", "math", "4", "4"),
        ("\\boxed{}", "math", "", ""),
        ("hm", "choice", "A", None),
        ("answer: A", "choice", "A", "A"),
    ],
)
def test_a_stand_in_is_no_answer(text, kind, extracted, answer):
    question = Question(id="q", text="?", gold="4", kind=kind, options=("4", "5") if kind == "choice" else ())
    verdict = grade_release(text, question)
    assert (verdict.extracted, verdict.answer, verdict.stand_in) == (extracted, answer, answer is None)


def test_how_names_the_reading_that_decided():
    verdict = grade_release("\\boxed{a + b}", Question(id="q", text="?", gold="a+b"))
    assert verdict.how == "LaTeX text: a+b"


@pytest.mark.parametrize(
    ("gold", "options", "letter"),
    [
        ("Gold", ("Iron", "Gold"), "B"),
        ("gold  RING", ("Iron", "a Gold\nring"), "B"),
        ("Discontinue X", ("Continue X", "Discontinue X"), "A"),
        ("Neon", ("Iron", "Gold"), "A"),
        ("B", ("Iron", "Gold"), "B"),
        ("C. difficile", ("C. difficile", "E. coli"), "C"),
        ("C, G and A", ("A flat", "C, G and A"), "B"),
        ("The choice D", ("Choice D", "x"), "D"),
    ],
)
def test_the_gold_letter_is_read_from_the_golds_text(gold, options, letter):
    question = Question(id="q7", text="?", gold=gold, kind="choice", options=options)
    assert release_gold_letter(question) == letter


def test_the_first_option_that_contains_or_is_contained():
    assert letter_of_option("both lungs", ("heart", "both  Lungs and heart", "both lungs")) == "B"
    assert letter_of_option("both lungs", ("heart", "lungs")) == "B"


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

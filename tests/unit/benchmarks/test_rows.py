"""Rows of each benchmark -> questions, and the files that ship."""

import json
import random
from pathlib import Path

import pytest

from recursivemas.benchmarks import BENCHMARKS, aime25, gpqa, load_questions, math500, medqa
from recursivemas.benchmarks.base import has_lettered_lines
from recursivemas.grading import GRADERS
from recursivemas.grading.release import grade_release, release_gold_letter
from recursivemas.grading.strict import grade_strict

DATASET = Path(__file__).parents[3] / "dataset"
GPQA_ROW = {
    "Question": "How many legs has a spider?",
    "Correct Answer": "eight",
    "Incorrect Answer 1": "six",
    "Incorrect Answer 2": "ten",
    "Incorrect Answer 3": "four",
}


def medqa_row(**changes):
    row = {"question": "Which organ pumps blood?", "options": ["A. Lung", "B. Heart"], "answer": "Heart"}
    return {**row, **changes}


def test_math500():
    row = {"problem": " $1+1$? ", "answer": "2", "subject": "Algebra", "level": 1, "solution": "long"}
    question = math500.to_question(row, "m1", 42)
    assert (question.id, question.text, question.gold, question.kind) == ("m1", "$1+1$?", "2", "math")
    assert question.meta == {"subject": "Algebra", "level": 1}


def test_gpqa_text_and_gold():
    question = gpqa.to_question(GPQA_ROW, "g1", 42)
    # md5sum of "42::How many legs has a spider?" starts with these digits.
    order = [0, 1, 2, 3]
    random.Random(0x28CDD657EFB5B35E).shuffle(order)
    assert order == [2, 0, 3, 1]
    assert question.options == tuple(GPQA_ROW[gpqa.OPTION_COLUMNS[place]] for place in order)
    lines = question.text.split("\n")
    assert lines[0] == GPQA_ROW["Question"]
    assert lines[1:5] == [
        f"{letter}. {option}" for letter, option in zip("ABCD", question.options, strict=True)
    ]
    assert question.options["ABCD".index(question.gold)] == "eight"
    assert question.kind == "gpqa"


def test_gpqa_shuffle_depends_on_seed_and_text():
    orders = {tuple(gpqa.option_order("Which?", seed)) for seed in range(40)}
    assert len(orders) > 10
    assert gpqa.option_order("Which?", 42) == gpqa.option_order("Which?", 42)
    golds = [gpqa.to_question({**GPQA_ROW, "Question": f"{n}?"}, str(n), 42).gold for n in range(40)]
    assert set(golds) == set("ABCD")


@pytest.mark.parametrize(
    ("name", "row", "question_id"),
    [
        ("aime25", {"problem": "What is $6 \\cdot 7$?", "answer": "042", "id": "3"}, "3"),
        ("aime26", {"problem_idx": 7, "problem": "What is $6 \\cdot 7$?", "answer": 42}, "7"),
    ],
)
def test_aime(tmp_path, name, row, question_id):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([row]), encoding="utf-8")
    benchmark = BENCHMARKS[name]
    (question,) = load_questions(benchmark, path=path)
    assert (question.id, question.text, question.kind) == (question_id, "What is $6 \\cdot 7$?", "math")
    assert (benchmark.metric, benchmark.num_rollouts) == ("pass@10", 10)
    for text, correct in (("\\boxed{42}", True), ("\\boxed{42.5}", False), ("42", False)):
        assert GRADERS["strict"](text, question).correct is correct
    assert GRADERS["release"]("\\boxed{42.5}", question).correct


def test_an_aime_result_is_an_integer():
    assert aime25.to_question({"problem": "?", "answer": "336^\\circ"}, "q", 42).gold == "336^\\circ"
    with pytest.raises(ValueError, match="answer '1/2' is no integer"):
        aime25.to_question({"problem": "?", "answer": "1/2"}, "q", 42)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("bamboogle", {"Question": "Who was born first, Ada or Ben?", "Answer": "Ada"}),
        (
            "hotpotqa",
            {
                "id": "5a8b",
                "question": "Who was born first, Ada or Ben?",
                "answer": "Ada",
                "type": "comparison",
                "level": "hard",
                "supporting_facts": {"title": ["Ada"], "sent_id": [0]},
                "context": {"title": ["Ada"], "sentences": [["Ada was born in 1815."]]},
            },
        ),
    ],
)
def test_search_benchmarks(tmp_path, name, row):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([row]), encoding="utf-8")
    (question,) = load_questions(BENCHMARKS[name], path=path)
    assert (question.id, question.text) == (row.get("id", "0"), "Who was born first, Ada or Ben?")
    assert (question.gold, question.kind) == ("Ada", "math")
    for grader in BENCHMARKS[name].graders:
        assert GRADERS[grader]("\\boxed{ada}", question).correct
        assert not GRADERS[grader]("\\boxed{Ada or Ben}", question).correct


def test_medqa_prefers_query_and_keeps_its_lettered_lines():
    query = "Which?\nA. Lung\nB. Heart\nChoose the correct option."
    question = medqa.to_question(medqa_row(query=query), "q", 42)
    assert question.text == query
    assert question.options == ("Lung", "Heart")
    assert (question.gold, question.kind) == ("Heart", "choice")


@pytest.mark.parametrize("query", ["", None])
def test_medqa_appends_options_where_there_are_none(query):
    question = medqa.to_question(medqa_row(query=query), "q", 42)
    assert question.text.startswith("Which organ pumps blood?\nA. Lung\nB. Heart\n\n")


def test_medqa_options_without_letters_are_kept_whole():
    row = medqa_row(options=["A-fibres", "B-cells", "Lymph"], answer="B-cells")
    assert medqa.to_question(row, "q", 42).options == ("A-fibres", "B-cells", "Lymph")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer": "B"}, "answer 'B' is none of the options"),
        ({"options": {"A": "Lung"}}, "has to be a list"),
        ({"options": "A. Lung"}, "has to be a list"),
        ({"options": ["A. Heart"]}, "has 1 entries"),
        ({"question": ""}, "neither 'query' nor 'question'"),
        ({"query": ["x"]}, "'query' has to be text"),
    ],
)
def test_medqa_rows_that_cannot_be_used(changes, message):
    with pytest.raises(ValueError, match=message):
        medqa.to_question(medqa_row(**changes), "q", 42)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x\nA. a\nB. b", True),
        ("x\n A) a\n B) b", True),
        ("A: a\nB: b", True),
        ("A- a\nB- b", True),
        ("A patient\nBoth", False),
        ("A. Smith asks", False),
        ("x A. a B. b", False),
    ],
)
def test_lettered_lines(text, expected):
    assert has_lettered_lines(text) is expected


@pytest.mark.parametrize(
    ("name", "file", "at_least"),
    [("math500", "demo_math500.jsonl", 24), ("medqa", "demo_medqa.json", 12), ("gpqa", "demo_gpqa.jsonl", 6)],
)
def test_shipped_files_load_and_their_golds_grade_as_correct(name, file, at_least):
    questions = load_questions(BENCHMARKS[name], path=DATASET / file)
    assert len(questions) >= at_least
    for question in questions:
        answer = question.gold if name == "math500" else release_gold_letter(question)
        assert grade_release(f"\\boxed{{{answer}}}", question).correct
        assert grade_strict(f"\\boxed{{{answer}}}", question).correct
        if name == "medqa":
            assert question.options["ABCD".index(answer)] == question.gold


def test_shipped_choice_answers_are_spread_over_the_letters():
    questions = load_questions(BENCHMARKS["medqa"], path=DATASET / "demo_medqa.json")
    letters = [release_gold_letter(question) for question in questions]
    assert min(letters.count(letter) for letter in "ABCD") >= 2

"""A user's own file as a benchmark: its kinds, its columns, and what it says when they do not fit."""

import json

import datasets
import pytest

from recursivemas.benchmarks import DatasetError, find_benchmark, load_questions, own_benchmark
from recursivemas.benchmarks.own import kind_of
from recursivemas.grading import grade, release_has_answer


def ask(tmp_path, *rows, name="mine.json"):
    path = tmp_path / name
    path.write_text(json.dumps(rows), encoding="utf-8")
    benchmark = find_benchmark(str(path))
    return benchmark, load_questions(benchmark)


def verdicts(text, question):
    return [verdict.correct for verdict in grade(text, question, ["release", "strict"]).values()]


@pytest.mark.process
def test_mathematics(tmp_path):
    row = {"id": "a", "question": "Solve $2x = 1$.", "answer": "$\\frac{1}{2}$"}
    benchmark, (question,) = ask(tmp_path, row)
    assert (benchmark.name, benchmark.task) == ("mine", "math")
    assert benchmark.graders == ("release", "strict", "math_verify")
    assert (question.id, question.text, question.kind) == ("a", "Solve $2x = 1$.", "math")
    assert verdicts("\\boxed{0.5}", question) == [True, True]
    assert verdicts("\\boxed{0.7}", question) == [True, False]


@pytest.mark.parametrize(
    "options",
    [
        ["Lung", "Heart", "Liver"],
        ["A. Lung", "B. Heart", "C. Liver"],
        {"B": "Heart", "A": "Lung", "C": "Liver"},
        "A. Lung\nB. Heart\nC. Liver",
        '["Lung", "Heart", "Liver"]',
        '{"A": "Lung", "B": "Heart", "C": "Liver"}',
    ],
)
@pytest.mark.parametrize("answer", ["Heart", "B", "(B)", "B."])
def test_choice(tmp_path, options, answer):
    _, (question,) = ask(tmp_path, {"question": "What pumps blood?", "options": options, "answer": answer})
    assert question.text == "What pumps blood?\nA. Lung\nB. Heart\nC. Liver"
    assert (question.kind, question.options, question.gold) == ("choice", ("Lung", "Heart", "Liver"), "B")
    assert verdicts("\\boxed{B}", question) == [True, True]
    assert verdicts("\\boxed{A}", question) == [False, False]


def test_a_grader_for_mathematics_needs_a_file_of_mathematics(tmp_path):
    mixed = [{"question": "?", "answer": "4"}, {"question": "?", "answer": "Rome", "kind": "phrase"}]
    assert ask(tmp_path, *mixed)[0].graders == ("release", "strict")


def test_all_of_many_options_count_for_both_graders(tmp_path):
    row = {"question": "Which one?", "options": ["v", "w", "x", "y", "z"], "answer": "z"}
    _, (question,) = ask(tmp_path, row)
    assert verdicts("\\boxed{E}", question) == [True, True]
    assert verdicts("\\boxed{A}", question) == [False, False]
    assert release_has_answer("The answer: E", question)


def test_options_that_the_question_lists_are_not_listed_twice(tmp_path):
    text = "What pumps blood?\nA. Lung\nB. Heart"
    _, (question,) = ask(tmp_path, {"question": text, "options": ["Lung", "Heart"], "answer": "Heart"})
    assert question.text == text


def test_options_that_are_letters_are_told_by_their_text(tmp_path):
    row = {"question": "Which blood group?", "options": ["0", "A", "B", "AB"], "answer": "A"}
    _, (question,) = ask(tmp_path, row)
    assert verdicts("\\boxed{B}", question)[1]


def test_phrases(tmp_path):
    row = {"question": "Who found radium?", "answer": "Marie Curie", "kind": "phrase"}
    _, (question,) = ask(tmp_path, row)
    assert verdicts("\\boxed{marie curie.}", question) == [True, True]
    assert verdicts("\\boxed{Curie}", question) == [False, False]


@pytest.mark.parametrize(
    "tests",
    [
        ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
        '["assert add(1, 2) == 3"]',
        "assert add(1, 2) == 3",
    ],
)
def test_functions(tmp_path, tests):
    benchmark, (question,) = ask(tmp_path, {"question": "Add two numbers.", "tests": tests})
    assert benchmark.task == "code"
    assert (question.kind, question.function_name, question.gold) == ("function", "add", "")
    assert question.meta["tests"].script.startswith("assert add(1, 2) == 3")


def test_the_entry_point_wins(tmp_path):
    row = {"question": "?", "tests": "assert len(twice([1])) == 2", "entry_point": "twice"}
    assert ask(tmp_path, row)[1][0].function_name == "twice"


def test_a_table(tmp_path):
    rows = [
        {"question": "What is 2 + 2?", "answer": "4", "options": None},
        {"question": "What pumps blood?", "answer": "B", "options": "A. Lung\nB. Heart"},
    ]
    datasets.Dataset.from_list(rows).to_csv(tmp_path / "mine.csv", index=False)
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "mine.parquet")
    for name in ("mine.csv", "mine.parquet"):
        questions = load_questions(find_benchmark(str(tmp_path / name)))
        assert [(question.kind, question.gold) for question in questions] == [("math", "4"), ("choice", "B")]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({}, "math"),
        ({"options": []}, "math"),
        ({"options": ["x", "y"]}, "choice"),
        ({"tests": ["assert f()"]}, "function"),
        ({"entry_point": "f"}, "function"),
        ({"options": ["x", "y"], "kind": "Math "}, "math"),
        ({"kind": None}, "math"),
    ],
)
def test_kind(row, kind):
    assert kind_of(row) == kind


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": "4"}, "row 0 .* has no column 'question'. mine needs question; the row has answer"),
        ({"question": "?"}, "row 0 .* there is no 'answer'"),
        ({"question": "?", "answer": None}, "there is no 'answer'"),
        ({"question": " ", "answer": "4"}, "'question' is empty"),
        (
            {"question": "?", "answer": "4", "kind": "essay"},
            "kind 'essay' is not known; accepted are math",
        ),
        ({"question": "?", "answer": "4", "kind": "choice"}, "'options' has to be a list"),
        (
            {"question": "?", "answer": "Neon", "options": ["Iron", "Gold"]},
            r"'Neon' is neither .* one \(A, B\)",
        ),
        ({"question": "?", "answer": "D", "options": ["Iron", "Gold"]}, "'D' is neither"),
        ({"question": "?", "answer": "A", "options": {"A": "x", "C": "y"}}, "has the letters A, C"),
        ({"question": "?", "entry_point": "f"}, "there are no 'tests'"),
        ({"question": "?", "tests": "assert f(1) == 1", "entry_point": "f g"}, "entry_point is 'f g'"),
        ({"question": "?", "tests": "1 +"}, "have to be Python"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path, row, message):
    with pytest.raises(DatasetError, match=message):
        ask(tmp_path, row)


def test_code_and_other_questions_do_not_mix(tmp_path):
    with pytest.raises(DatasetError, match=r"mixes code questions with others \(function, math\)"):
        ask(tmp_path, {"question": "?", "answer": "4"}, {"question": "?", "tests": "assert f(1) == 1"})


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(DatasetError, match=r"there is no file .*none\.jsonl; --dataset takes a benchmark's"):
        find_benchmark(str(tmp_path / "none.jsonl"))
    (tmp_path / "mine.txt").write_text("?")
    with pytest.raises(DatasetError, match=r"ends in \.txt; accepted are"):
        find_benchmark(str(tmp_path / "mine.txt"))


def test_other_common_column_names_are_read(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "Add two numbers.", "test_list": ["assert add(1, 2) == 3"]}\n')
    (question,) = load_questions(own_benchmark(path))
    assert (question.kind, question.text, question.function_name) == ("function", "Add two numbers.", "add")


def test_a_column_of_the_right_name_wins_over_its_alias(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "What is 1 + 1?", "prompt": "You are a poet.", "answer": "2"}\n')
    (question,) = load_questions(own_benchmark(path))
    assert question.text == "What is 1 + 1?"

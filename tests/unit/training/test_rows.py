"""Rows to train on: where they come from, which are left out, and what is said of those."""

from __future__ import annotations

import json
import logging

import pytest

from recursivemas.benchmarks.base import DatasetError
from recursivemas.errors import UserError
from recursivemas.styles import PUBLISHED_STYLES, load_style
from recursivemas.training import as_training_rows, read_training_rows
from recursivemas.training.rows import usable_rows

SEQUENTIAL = PUBLISHED_STYLES["sequential_light"]
ROW = {"question": " What? ", "plan": " a plan\n", "refined_plan": "better", "answer": "\\boxed{1}"}


@pytest.mark.parametrize(
    ("style", "fields"),
    {
        "sequential_light": {"planner": "plan", "critic": "refined_plan", "solver": "answer"},
        "mixture": {
            "math": "math_expert",
            "code": "code_expert",
            "science": "science_expert",
            "summarizer": "summary",
        },
        "distillation": {"expert": "refined_plan", "learner": "answer"},
        "deliberation": {"reflector": "deliberation_reflector", "toolcaller": "answer"},
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_agent_finds_its_text(style, fields):
    row = {"question": "What?", **{name: f"the {name}" for name in fields.values()}}
    found = as_training_rows(PUBLISHED_STYLES[style], [row])[0].targets
    assert {role: target.text for role, target in found.items()} == {
        role: f"the {name}" for role, name in fields.items()
    } | ({"reflector": "the deliberation_reflector"} if style == "deliberation" else {})


def test_a_style_of_ones_own_names_its_fields_or_none():
    style = load_style(
        {
            "name": "own",
            "outer_repo": "x",
            "agents": [
                {"role": "first", "repo": "a", "prompt": "own/first", "targets": ["draft", "notes"]},
                {"role": "last", "repo": "b", "prompt": "own/last"},
            ],
            "links": [{"source": "first", "target": "last", "key": "outer_12"}],
        }
    )
    rows = as_training_rows(
        style, [{"question": "?", "notes": "n", "answer": "a"}, {"question": "?", "last": "l"}]
    )
    assert rows[0].targets["first"].text == "n"
    assert rows[0].targets["last"].text == "a"
    assert rows[1].targets["last"].text == "l"


def test_texts_are_stripped_and_what_is_missing_is_counted_and_named(caplog):
    rows = as_training_rows(
        SEQUENTIAL, [ROW, {**ROW, "plan": " "}, {**ROW, "question": None}, {**ROW, "plan": ""}]
    )
    assert rows[0].question.text == "What?"
    assert rows[0].targets["planner"].text == "a plan"
    with caplog.at_level(logging.WARNING):
        kept, skipped = usable_rows(rows, SEQUENTIAL, ["planner", "solver"])
    assert [row.question.id for row in kept] == ["0"]
    assert skipped.describe() == (
        "2 with no text for the planner ('plan') (row 1, 3); 1 with no question (row 2)"
    )
    assert "left out 3 of 4 rows" in caplog.text
    assert len(usable_rows(rows, SEQUENTIAL, ["solver"])[0]) == 3


def test_what_is_no_text_is_missing():
    for value in (["1. Add.", "2. Check."], {"text": "Add."}, float("nan"), None):
        rows = as_training_rows(SEQUENTIAL, [{**ROW, "plan": value}])
        assert "planner" not in rows[0].targets
    assert as_training_rows(SEQUENTIAL, [{**ROW, "answer": 42}])[0].targets["solver"].text == "42"


def test_half_a_character_is_read_as_one_that_is_missing():
    row = as_training_rows(SEQUENTIAL, [{**ROW, "question": "a\ud800?", "plan": "\ud83d\ude00"}])[0]
    assert (row.question.text, row.targets["planner"].text) == (
        "a\N{REPLACEMENT CHARACTER}?",
        "\N{GRINNING FACE}",
    )


def test_an_id_may_be_zero():
    rows = as_training_rows(SEQUENTIAL, [{**ROW, "id": number} for number in (3, 1, 2, 0)])
    assert [row.question.id for row in rows] == ["3", "1", "2", "0"]
    assert as_training_rows(SEQUENTIAL, [{**ROW, "id": None}, {**ROW, "id": ""}])[1].question.id == "1"


def test_many_rows_of_a_kind_are_not_all_named():
    rows = as_training_rows(SEQUENTIAL, [{**ROW, "answer": ""}] * 9 + [ROW])
    assert usable_rows(rows, SEQUENTIAL, ["solver"])[1].describe().endswith("(row 0, 1, 2, 3, 4 and 4 more)")


def test_no_row_at_all_is_an_error():
    with pytest.raises(
        DatasetError, match=r"no row can be trained on: 1 with no text for the planner \('plan'\)"
    ):
        usable_rows(as_training_rows(SEQUENTIAL, [{"question": "?"}]), SEQUENTIAL, ["planner"])


def test_a_rows_own_task_wins_and_says_how_code_is_asked():
    rows = as_training_rows(
        SEQUENTIAL,
        [
            ROW,
            {**ROW, "task_family": "code", "type": "function", "fn_name": "add"},
            {**ROW, "task_family": "code", "type": "complete", "fn_name": "add"},
            {**ROW, "task_family": "math"},
        ],
        task="choice",
    )
    assert [row.question.kind for row in rows] == ["choice", "function", "program", "math"]
    assert rows[1].question.function_name == "add"


def test_gsm8k_answers_are_read_as_text_and_cue():
    row = as_training_rows(SEQUENTIAL, [{"question": "?", "answer": "6 * 7 is 42.\n#### 42"}])[0]
    assert row.targets["solver"].text == "6 * 7 is 42."
    assert row.targets["solver"].cue == "\nFinal Answer: \\boxed{42}"
    assert row.question.gold == "42"


def test_a_plan_may_end_in_a_heading():
    row = {"question": "?", "plan": "1. Add.\n#### Check", "answer": "2\n#### 2"}
    targets = as_training_rows(SEQUENTIAL, [row])[0].targets
    assert (targets["planner"].text, targets["planner"].cue) == (row["plan"], "")
    assert targets["solver"].cue


@pytest.mark.parametrize("text", ["Plan:\n#### Step 1\nAdd.\n#### Step 2\nCheck.", "#### 42", "a ##### b\nc"])
def test_headings_are_no_results(text):
    targets = as_training_rows(SEQUENTIAL, [{"question": "?", "plan": text, "answer": text}])[0].targets
    assert [(one.text, one.cue) for one in targets.values()] == [(text, "")] * 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (["text"], "row 0 .* not an object"),
        ([{**ROW, "id": "a"}, {**ROW, "id": "a"}], "'a' stands twice"),
    ],
)
def test_bad_rows_are_refused(data, message):
    with pytest.raises(DatasetError, match=message):
        as_training_rows(SEQUENTIAL, data)


def test_unknown_tasks_are_refused():
    with pytest.raises(UserError, match="task is 'maths'; it has to be one of math, code, choice"):
        as_training_rows(SEQUENTIAL, [ROW], task="maths")
    with pytest.raises(UserError, match="row 0: task_family is 'poetry'"):
        as_training_rows(SEQUENTIAL, [{**ROW, "task_family": "poetry"}])


def test_rows_come_from_json_with_a_list_and_from_lines(tmp_path):
    for name, text in {
        "list.json": json.dumps([ROW]),
        "data.json": json.dumps({"data": [ROW]}),
        "rows.jsonl": json.dumps(ROW) + "\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert len(read_training_rows(SEQUENTIAL, str(tmp_path / name))) == 1
    (tmp_path / "named.json").write_text(json.dumps({"train": [ROW, ROW]}))
    named = str(tmp_path / "named.json")
    assert len(read_training_rows(SEQUENTIAL, named, field_name="train")) == 2
    with pytest.raises(DatasetError, match="has no list 'test'"):
        read_training_rows(SEQUENTIAL, named, field_name="test")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(DatasetError, match=r"deep.json is no JSON object with a list 'train'"):
        read_training_rows(SEQUENTIAL, str(tmp_path / "deep.json"), field_name="train")
    with pytest.raises(DatasetError, match="there is no file"):
        read_training_rows(SEQUENTIAL, "nowhere.jsonl")


def test_rows_come_from_the_hub(monkeypatch):
    import datasets

    asked = []

    def load(name, config, split):
        asked.append((name, config, split))
        return datasets.Dataset.from_list([ROW])

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert (
        read_training_rows(SEQUENTIAL, "RecursiveMAS/Sequential-Math")[0].targets["solver"].text
        == "\\boxed{1}"
    )
    read_training_rows(SEQUENTIAL, "openai/gsm8k", config="main", split="test")
    assert asked == [("RecursiveMAS/Sequential-Math", None, "train"), ("openai/gsm8k", "main", "test")]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"config": "main"}, "dataset_config 'main' is about datasets on the hub"),
        ({"split": "test"}, "dataset_split 'test' is about datasets on the hub"),
        ({"field_name": "items"}, "dataset_json_field 'items' is about .json files"),
    ],
)
def test_a_file_takes_no_setting_that_is_not_about_it(tmp_path, setting, said):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW))
    with pytest.raises(UserError, match=said):
        read_training_rows(SEQUENTIAL, str(path), **setting)


def test_what_a_file_is_anyway_may_be_said(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW))
    assert len(read_training_rows(SEQUENTIAL, str(path), split="train", field_name="data")) == 1


def test_a_dataset_of_the_hub_has_no_fields():
    with pytest.raises(UserError, match="RecursiveMAS/Sequential-Math is a dataset on the hub"):
        read_training_rows(SEQUENTIAL, "RecursiveMAS/Sequential-Math", field_name="items")

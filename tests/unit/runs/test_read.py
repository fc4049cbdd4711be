"""Runs read back: what a run says of itself, and which folders are refused."""

from __future__ import annotations

import json

import pytest

from recursivemas.errors import UserError
from recursivemas.runs.read import read_run, read_runs
from tests.support.run_folders import write_run


def test_a_run_says_what_it_is(tmp_path):
    run = read_run(write_run(tmp_path / "a", [True, False], latent_length=16, num_recursive_rounds=2))
    assert (run.label, run.style, run.mode, run.benchmark) == ("a", "sequential_light", "latent", "math500")
    assert (run.rounds, run.latent_length, run.metric, run.graders) == (2, 16, "accuracy", ["release"])
    assert run.score("release")["value"] == 0.5
    assert run.shares("release", ["q1", "q0"]) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"mode": "text", "num_recursive_rounds": 2}, ("text", 2, None)),
        ({"mode": "single", "role": "critic", "num_recursive_rounds": 2}, ("single: critic", 1, None)),
    ],
)
def test_what_a_mode_does_not_read_is_not_there(tmp_path, settings, expected):
    run = read_run(write_run(tmp_path / "a", [True], **settings))
    assert (run.mode, run.rounds, run.latent_length) == expected
    assert "latent_length" not in run.decisive_settings()


def test_costs_are_a_question_not_an_answer(tmp_path):
    run = read_run(write_run(tmp_path / "a", {"release": [[True, False], [False, False]]}, tokens=30))
    assert run.costs_a_question()["generated_tokens"] == 60
    assert run.costs_a_question(["q1"])["generated_tokens"] == 60


def test_what_keeps_a_run_from_published_figures(tmp_path):
    own = write_run(tmp_path / "a", [True], dataset_path="my/file.jsonl", num_samples=1)
    assert read_run(own).departures() == [
        "toy-random release",
        "questions from file.jsonl",
        "1 questions only",
    ]
    assert read_run(write_run(tmp_path / "b", [True], release="hub")).departures() == []


@pytest.mark.parametrize(
    ("prompts", "departures"),
    [
        ({"origin": "published", "name": "prompts.py"}, []),
        ({"origin": "default", "name": "default"}, ["default prompts"]),
        ({"origin": "pack", "name": "mine"}, ["prompts of mine"]),
        ({"origin": "file", "name": "prompts.py"}, ["prompts of prompts.py"]),
    ],
)
def test_prompts_that_are_not_the_published_ones_are_named(tmp_path, prompts, departures):
    path = write_run(tmp_path / "a", [True], release="hub")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "prompts": prompts}))
    assert read_run(path).departures() == departures


@pytest.mark.parametrize(
    ("tools", "departures"),
    [
        ({"max_calls": 5, "search": {"provider": "tavily"}}, []),
        ({"max_calls": 2, "search": {"provider": "stub"}}, ["2 tool calls", "searches answered by stub"]),
        (
            {"max_calls": 5, "search": {"provider": "tavily", "base_url": "http://other"}},
            ["searches answered by http://other"],
        ),
        (None, ["no tools"]),
    ],
)
def test_tools_that_are_not_the_published_ones_are_named(tmp_path, tools, departures):
    path = write_run(tmp_path / "a", [True], release="hub")
    config = json.loads((path / "config.json").read_text())
    config["style"]["agents"][0]["tools"] = ["python", "search"]
    config["tools"] = tools
    (path / "config.json").write_text(json.dumps(config))
    assert read_run(path).departures() == departures


def test_a_run_that_has_not_finished_is_refused(tmp_path):
    path = write_run(tmp_path / "a", [True, False, True], finished=False)
    with pytest.raises(UserError, match=r"has not finished: samples.jsonl holds 3 of 3 .* is missing"):
        read_run(path)
    write_run(tmp_path / "b", [True, False, True])
    lines = (tmp_path / "b" / "samples.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "b" / "samples.jsonl").write_text("".join(lines[:2]))
    with pytest.raises(UserError, match=r"holds 2 of 3 answers.*--resume"):
        read_run(tmp_path / "b")


def test_a_damaged_summary_is_named(tmp_path):
    path = write_run(tmp_path / "a", [True])
    (path / "summary.json").write_text("{")
    with pytest.raises(UserError, match=r"summary.json is damaged"):
        read_run(path)


def test_labels_are_names_unless_they_repeat(tmp_path):
    paths = [write_run(tmp_path / place, [True]) for place in ("x/a", "y/a", "b")]
    assert [run.label for run in read_runs(paths)] == [str(paths[0]), str(paths[1]), "b"]
    with pytest.raises(UserError, match="is given 2 times"):
        read_runs([paths[0], tmp_path / "x" / "." / "a"])


def test_settings_that_are_younger_than_the_run_have_their_default(tmp_path):
    path = write_run(tmp_path / "a", [True])
    config = json.loads((path / "config.json").read_text())
    del config["settings"]["min_p"]
    (path / "config.json").write_text(json.dumps(config))
    assert read_run(path).decisive_settings()["min_p"] is None

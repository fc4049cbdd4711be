"""Majority votes over a run: figures by grader, in the summary, on the terminal, in a report."""

from __future__ import annotations

import json

import pytest

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.question import Question
from recursivemas.report import format_summary
from recursivemas.report.layout import table_of_runs
from recursivemas.runs.intervals import wilson_interval
from recursivemas.runs.majority import Majorities
from recursivemas.runs.metrics import summarise
from recursivemas.runs.read import read_runs, record_of_run
from tests.support.run_folders import grade_of, sample_of, write_run

ANSWERS = {"a": "1 2 1", "b": "2 1 1", "c": "2 1 -", "d": "- - -"}
"""By question what rollouts answer; 1 is right."""


def same(first, second, question):
    assert question.id in ANSWERS
    return first == second


def majorities_of(*graders: str, num_rollouts: int = 3) -> Majorities:
    questions = [Question(id=name, text="?") for name in ANSWERS]
    return Majorities(questions, num_rollouts, dict.fromkeys(graders, same))


def test_figures_by_grader_and_where_they_are_told(tmp_path):
    samples = [
        sample_of(
            name,
            rollout,
            verdicts={
                "release": grade_of(answer == "1", answer, stand_in=answer == "-"),
                "strict": grade_of(False, "5"),
            },
        )
        for name, row in ANSWERS.items()
        for rollout, answer in enumerate(row.split())
    ]
    summary = summarise(samples, BENCHMARKS["math500"], 1.0, None, majorities_of("release", "strict"))
    release = summary["metrics"]["release"]
    assert release["majority_at"] == {1: 0.25, 2: 0.25, 3: 0.5}  # c is a tie, which the first one wins
    assert release["majority_at_interval_95"][3] == pytest.approx(wilson_interval(2, 4))
    assert release["pass_at"][3] == 0.75
    assert summary["metrics"]["strict"]["majority_at"][3] == 0
    told = "maj@3, percent: 50.0 [15.0, 85.0] by the release grader, 0.0 [0.0, 49.0] by the strict grader"
    assert told in format_summary(summary)

    voted = write_run(tmp_path / "voted", {"release": [[True] * 3]})
    (voted / "summary.json").write_text(json.dumps(summary))
    runs = read_runs([voted, write_run(tmp_path / "plain", [True])])
    table = table_of_runs(runs)
    place = table.header.index("by majority")
    assert {row[0]: row[place] for row in table.rows} == {"voted": "50.0 [15.0, 85.0] (maj@3)", "plain": "–"}
    assert "by majority" not in table_of_runs(runs[1:]).header
    record = record_of_run(runs[0], "release", {})
    assert (record["majority_of"], record["majority"]) == (3, 0.5)
    assert record_of_run(runs[1], "release", {})["majority"] is None


def test_one_rollout_and_code_are_not_voted_on():
    samples = [sample_of(name) for name in ANSWERS]
    for none in (majorities_of("release", num_rollouts=1), majorities_of(num_rollouts=3)):
        summary = summarise(samples, BENCHMARKS["math500"], 1.0, None, none)
        assert "majority_at" not in summary["metrics"]["release"]
        assert "maj@" not in format_summary(summary)

"""Comparisons: what is paired, what is saved, what cannot be compared."""

from __future__ import annotations

import csv
import io
import json

import pytest

from recursivemas.errors import UserError
from recursivemas.report.compare import FORMATS, compare, run
from recursivemas.runs.intervals import mcnemar_p_value, newcombe_interval
from tests.support.run_folders import write_run


def test_differences_are_paired_by_question(tmp_path):
    text = write_run(tmp_path / "text", [True, True, False, False, False], mode="text")
    latent = write_run(tmp_path / "latent", [True, False, True, True, False])
    comparison = compare([text, latent])
    [pair] = comparison.pairs
    difference = pair.differences["release"]
    assert comparison.shared == ["q0", "q1", "q2", "q3", "q4"]
    assert (difference.only_first, difference.only_second) == (1, 2)
    assert difference.value == pytest.approx(0.2)
    assert difference.interval_95 == newcombe_interval(1, 1, 2, 1)
    assert difference.p_value == mcnemar_p_value(1, 2)


def test_what_is_saved_is_a_share_of_the_first(tmp_path):
    text = write_run(tmp_path / "text", [True] * 3, mode="text", tokens=200, seconds=3.0)
    latent = write_run(
        tmp_path / "latent", [True] * 3, tokens=50, seconds=1.5, latent_length=8, num_recursive_rounds=2
    )
    [pair] = compare([text, latent]).pairs
    assert pair.tokens_saved == pytest.approx(1 - 50 / 200)
    assert pair.all_tokens_saved == pytest.approx(1 - 150 / 300)
    assert (pair.speed_up, pair.costs["latent_steps"]) == (2.0, 16)


def test_only_questions_that_all_have_are_compared(tmp_path):
    paths = [
        write_run(tmp_path / "a", [True, True, False, False]),
        write_run(tmp_path / "b", [True, True, True, True], first_question=1),
        write_run(tmp_path / "c", [False, False, False, True], first_question=2),
    ]
    comparison = compare(paths)
    assert comparison.shared == ["q2", "q3"]
    assert [pair.differences["release"].value for pair in comparison.pairs] == [1.0, 0.0]
    assert "on the 2 questions that all runs have" in comparison.render("text")


def test_graders_are_those_that_all_have(tmp_path):
    both = write_run(tmp_path / "both", {"release": [[True]], "strict": [[False]]})
    one = write_run(tmp_path / "one", {"strict": [[True]]})
    other = write_run(tmp_path / "other", {"judge": [[True]]})
    assert compare([both, one]).graders == ["strict"]
    with pytest.raises(UserError, match="no grader in common"):
        compare([one, other])


def test_several_answers_a_question(tmp_path):
    a = write_run(tmp_path / "a", {"release": [[True, False], [False, False], [True, True]]})
    b = write_run(tmp_path / "b", {"release": [[True, True], [True, False], [True, True]]})
    comparison = compare([a, b])
    assert comparison.pairs[0].differences["release"].test == "sign flips"
    assert "by sign flips" in comparison.render("text")


def test_pass_at_k_is_by_question(tmp_path):
    verdicts = [[True, False], [False, False], [True, True]]
    a = write_run(tmp_path / "a", {"release": verdicts}, metric="pass@2", dataset="aime25")
    b = write_run(
        tmp_path / "b", {"release": [[False, True], [True, True], [False, True]]}, metric="pass@2",
        dataset="aime25",
    )  # fmt: skip
    difference = compare([a, b]).pairs[0].differences["release"]
    assert (difference.test, difference.only_first, difference.only_second) == ("McNemar, exact", 0, 1)


def test_what_else_differs_is_said(tmp_path):
    a = write_run(tmp_path / "a", [True], seed=1)
    b = write_run(
        tmp_path / "b", [True], seed=2, mode="text", platform="Elsewhere", batch_size=4, python_echo=True
    )
    text = compare([a, b]).render("text")
    assert "b is not set as a is: seed 2, not 1; python_echo True, not False." in text
    assert "Seconds: while agents worked or waited for their tools." in text
    assert "Seconds of b do not compare: Elsewhere, no accelerator, batch size 4, not Linux" in text


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"provider": "tavily"}, {"provider": "stub"}, "tools.search.provider stub, not tavily"),
        ({"sha256": "12"}, {"sha256": "34"}, "tools.search.sha256 34, not 12"),
        ({"offline": False}, {"offline": True}, None),
    ],
)
def test_runs_whose_tools_answer_otherwise_are_told_apart(tmp_path, before, now, said):
    paths = []
    for name, search in (("a", before), ("b", now)):
        paths.append(write_run(tmp_path / name, [True]))
        config = json.loads((paths[-1] / "config.json").read_text())
        config["tools"] = {"max_calls": len(paths), "search": search}  # the calls are told as a setting
        (paths[-1] / "config.json").write_text(json.dumps(config))
    text = compare(paths).render("text")
    assert (f"b is not set as a is: {said}.\n" in text) if said else ("not set as" not in text)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"dataset": "gpqa"}, "ran different benchmarks, math500 and gpqa"),
        ({"first_question": 5}, "no question in common"),
        ({"metric": "pass@1"}, "count differently, by accuracy and pass@1"),
        ({"finished": False}, "has not finished"),
    ],
)
def test_runs_that_cannot_be_paired(tmp_path, other, message):
    a = write_run(tmp_path / "a", [True, False])
    b = write_run(tmp_path / "b", [True, False], **other)
    with pytest.raises(UserError, match=message):
        compare([a, b])


def test_one_run_is_too_few(tmp_path):
    with pytest.raises(UserError, match="two run folders or more, and got 1"):
        compare([write_run(tmp_path / "a", [True])])


@pytest.mark.parametrize("field", ["gold", "question"])
def test_a_question_that_differs_is_named(tmp_path, field):
    a, b = (write_run(tmp_path / name, [True, False]) for name in "ab")
    rows = [json.loads(line) for line in (b / "samples.jsonl").read_text().splitlines()]
    rows[1][field] = "something else"
    (b / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=f"question 'q1' has another {field} in b than in a"):
        compare([a, b])


def test_every_format_holds_every_run(tmp_path, capsys):
    paths = [write_run(tmp_path / name, [True, False]) for name in ("first", "second")]
    for layout in FORMATS:
        run({"runs": paths, "format": layout})
        printed = capsys.readouterr().out
        assert "first" in printed
        assert "second" in printed


def test_records_are_the_same_as_csv_and_as_json(tmp_path):
    a = write_run(tmp_path / "a", [True, False, True], tokens=10)
    b = write_run(tmp_path / "b", [True, True, True], tokens=5)
    comparison = compare([a, b])
    first, second = json.loads(comparison.render("json"))
    assert (first["difference"], second["difference"]) == (None, pytest.approx(1 / 3))
    assert (second["p_value"], second["tokens_saved"]) == (1.0, 0.5)
    rows = list(csv.DictReader(io.StringIO(comparison.render("csv"))))
    assert [list(row) for row in rows] == [list(first), list(second)]
    assert float(rows[1]["difference_low_95"]) == second["difference_low_95"]


def test_seconds_of_runs_with_other_numbers_of_processes_do_not_compare(tmp_path):
    runs = [write_run(tmp_path / name, [True]) for name in ("alone", "shared")]
    config = json.loads((runs[1] / "config.json").read_text())
    config["launches"] = [{"started": "today", "processes": 2, "seconds": 1.0}]
    (runs[1] / "config.json").write_text(json.dumps(config))
    text = compare(runs).render("text")
    assert "Seconds of shared do not compare: Linux, no accelerator, batch size 16, 2 processes, not" in text

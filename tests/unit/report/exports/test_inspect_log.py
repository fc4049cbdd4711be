"""A run's inspect_ai log, read by inspect_ai: what it counts and shows is what the run has."""

from __future__ import annotations

import json

import pytest
import torch
from inspect_ai.event import event_tree
from inspect_ai.log import read_eval_log, recompute_metrics

from recursivemas.cli.main import main
from recursivemas.files.locks import FileLock
from recursivemas.recursion.messages import Lens, MessageSize
from recursivemas.recursion.trace import Passage, StageUsage
from recursivemas.report.exports.inspect_log import write_inspect_log
from recursivemas.report.exports.source import Source
from recursivemas.runs.files import read_samples
from recursivemas.runs.latents import save_latents
from recursivemas.runs.lens import save_lenses
from recursivemas.runs.lock import LOCKS
from recursivemas.runs.read import read_run
from recursivemas.tools import ToolCall
from tests.support.run_folders import add_votes, grade_of, sample_of, write_run, write_samples

LINK = "r1/planner->solver"


def read(run, folder):
    write_inspect_log(Source.open(run), folder / "run.eval")
    return read_eval_log(str(folder / "run.eval"), resolve_attachments=True)


def values(log):
    return {score.name: score.metrics["accuracy"].value for score in log.results.scores}


@pytest.mark.parametrize(
    ("verdicts", "metric", "reducer"),
    [
        ({"release": [[True], [True], [False]], "strict": [[False], [True], [False]]}, "accuracy", None),
        (
            {"release": [[True, False], [False, False]], "strict": [[True, True], [False, True]]},
            "accuracy",
            "mean",
        ),
        ({"release": [[True, False], [False, False]], "strict": [[False] * 2] * 2}, "pass@2", "pass_at_2"),
    ],
    ids=["one answer", "several", "pass@k"],
)
def test_scores_are_those_of_the_summary_also_where_inspect_counts_anew(tmp_path, verdicts, metric, reducer):
    path = write_run(tmp_path / "run", verdicts, metric=metric)
    run = read_run(path)
    wanted = {grader: run.score(grader)["value"] for grader in verdicts}
    assert len(set(wanted.values())) == 2, "they disagree"
    log = read(path, tmp_path)
    assert values(log) == wanted
    assert [score.reducer for score in log.results.scores] == [reducer] * 2
    reductions = log.reductions
    recompute_metrics(log)
    assert values(log) == pytest.approx(wanted)
    if reducer:
        for ours, theirs in zip(reductions, log.reductions, strict=True):
            assert ours.scorer == theirs.scorer
            assert {one.sample_id: one.value for one in ours.samples} == {
                one.sample_id: one.value for one in theirs.samples
            }
    assert {(sample.id, sample.epoch) for sample in log.samples} == {
        (f"q{number}", rollout + 1)
        for number, row in enumerate(verdicts["release"])
        for rollout in range(len(row))
    }


def test_what_the_majority_of_all_answers_is_worth_is_a_metric_of_its_own(tmp_path):
    run = write_run(tmp_path / "run", {"release": [[False, True]], "strict": [[False, False]]})
    add_votes(run, {"release": [0.25, 0.75]})
    by_release, by_strict = read(run, tmp_path).results.scores
    assert by_release.metrics["maj@2"].value == 0.75
    assert by_release.metrics["maj@2"].metadata["interval_95"] == [0.65, 0.85]
    assert list(by_strict.metrics) == ["accuracy"]


@pytest.fixture
def detailed(tmp_path):
    """A run with one question, of which everything is known."""
    run = write_run(tmp_path / "run", {"release": [[True]], "strict": [[False]]}, latent_length=2)
    config = json.loads((run / "config.json").read_text())
    config |= {
        "started": "2026-11-27T01:00:00+00:00",
        "launches": [{"started": "2026-11-27T01:00:00+00:00", "processes": 1, "seconds": 9.5}],
        "git_revision": "0123abc-dirty",
        "versions": {"torch": "2.13.0"},
        "sampling": {"temperature": 0.5},
    }
    config["agents"] = {
        "planner": {"repo_id": "org/planner", "revision": "abc"},
        "solver": {"repo_id": "org/solver"},
    }
    (run / "config.json").write_text(json.dumps(config))
    call = {"tool": "python", "request": "1 + 1", "result": "2", "seconds": 0.5, "start": 0, "end": 9}
    calls = (
        ToolCall(status="ok", started="2026-11-27T01:00:03+00:00", **call),
        ToolCall(status="timeout", started="2026-11-27T01:00:04+00:00", **call),
    )
    turn = {"round": 1, "seconds": 1.5}
    turns = (
        StageUsage(
            role="planner",
            prompt_tokens=5,
            latent_steps=2,
            started="2026-11-27T01:00:01+00:00",
            ended="2026-11-27T01:00:02+00:00",
            **turn,
        ),
        StageUsage(
            role="solver",
            prompt_tokens=7,
            result_tokens=2,
            generated_tokens=3,
            started="2026-11-27T01:00:02+00:00",
            ended="2026-11-27T01:00:05+00:00",
            **turn,
        ),
    )
    verdicts = {"release": grade_of(True, "2", score=0.5), "strict": grade_of(False, None, error="too deep")}
    sample = sample_of(
        "q0",
        text="It is 2.",
        verdicts=verdicts,
        usage=turns,
        tool_calls=calls,
        messages={LINK: MessageSize((2, 2), 3.5)},
        recorded="2026-11-27T01:00:06+00:00",
    )
    write_samples(run, [sample])
    save_latents(run, "q0", {LINK: torch.tensor([[3.0, 4.0], [0.0, 2.0]])})
    save_lenses(run, "q0", {LINK: Lens(heard=((("two", 0.9),), ((" it", 0.8),)))})
    return run


def test_rounds_and_agents_are_spans_and_what_happened_stands_in_them(detailed, tmp_path):
    [sample] = read(detailed, tmp_path).samples

    def told(nodes):
        return [
            (node.name, told(node.children))
            if hasattr(node, "children")
            else (node.event, node.timestamp.strftime("%S"))
            for node in nodes
        ]

    assert told(event_tree(sample.events)) == [
        ("sample_init", "01"),
        (
            "round 1",
            [
                ("planner", [("model", "01"), ("info", "02")]),
                ("solver", [("model", "02"), ("tool", "03"), ("tool", "04")]),
            ],
        ),
        ("scorers", [("release", [("score", "06")]), ("strict", [("score", "06")])]),
    ]
    by_kind = {
        kind: [event for event in sample.events if event.event == kind] for kind in ("info", "model", "tool")
    }
    assert by_kind["info"][0].data == {
        **{"message": LINK, "shape": [2, 2], "mean_norm": 3.5, "norms": [5.0, 2.0], "heard": "two it"},
        "lens": {"heard": [[["two", 0.9]], [[" it", 0.8]]], "said": []},
    }
    planner, solver = by_kind["model"]
    assert (planner.model, planner.role, planner.output.completion) == (
        "toy-random: org/planner",
        "planner",
        "",
    )
    assert planner.metadata["latent_steps"] == 2
    assert (solver.output.completion, solver.output.stop_reason) == ("It is 2.", "stop")
    assert (solver.output.usage.input_tokens, solver.output.usage.output_tokens) == (9, 3)
    assert (solver.completed.second, solver.working_start, solver.working_time) == (5, 1.5, 1.5)
    good, late = by_kind["tool"]
    assert (good.function, good.arguments, good.result, good.error) == (
        "python",
        {"request": "1 + 1"},
        "2",
        None,
    )
    assert late.error.type == "timeout"


def test_a_sample_has_its_verdicts_tokens_and_times(detailed, tmp_path):
    log = read(detailed, tmp_path)
    [sample] = log.samples
    release, strict = sample.scores["release"], sample.scores["strict"]
    assert (release.value, release.answer, release.explanation, release.reason) == ("C", "2", "equal", None)
    assert release.metadata == {"score": 0.5}
    assert (strict.value, strict.answer, strict.explanation) == ("I", None, "too deep")
    assert strict.reason == "scoring_failed"
    assert (sample.input, sample.target, sample.output.completion) == ("What is q0?", "1", "It is 2.")
    assert [message.text for message in sample.messages] == ["What is q0?", "It is 2."]
    assert {role: usage.total_tokens for role, usage in sample.role_usage.items()} == {
        "planner": 5,
        "solver": 12,
    }
    assert (
        set(sample.model_usage)
        == {"toy-random: org/planner", "toy-random: org/solver"}
        == set(log.stats.model_usage)
    )
    assert (sample.started_at, sample.completed_at) == (
        "2026-11-27T01:00:01+00:00",
        "2026-11-27T01:00:06+00:00",
    )
    assert (sample.total_time, sample.working_time) == (5.0, 3.0)
    assert (log.stats.started_at, log.stats.completed_at) == (
        "2026-11-27T01:00:00+00:00",
        "2026-11-27T01:00:09.500000+00:00",
    )
    spec = log.eval
    assert (spec.task, spec.model, spec.dataset.sample_ids) == (
        "math500",
        "recursivemas/sequential_light",
        ["q0"],
    )
    assert (spec.revision.commit, spec.revision.dirty, spec.packages) == (
        "0123abc",
        True,
        {"torch": "2.13.0"},
    )
    assert (spec.model_roles["planner"].model, spec.model_roles["planner"].args) == (
        "toy-random: org/planner",
        {"revision": "abc"},
    )
    assert (spec.solver_args["latent_length"], spec.model_generate_config.temperature) == (2, 0.5)


def test_an_older_run_has_no_times_but_its_own_and_a_question_that_failed_says_why(tmp_path):
    run = write_run(tmp_path / "run", [True, False, True])
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "started": "2026-11-27T01:00:00+00:00"}))
    first, _, third = read_samples(run)
    failed = {"release": grade_of(False, None, "not run")}
    passed = {"r1/solver": Passage("on the way", ())}
    second = sample_of("q1", text="", extracted=None, verdicts=failed, error="too long", passages=passed)
    write_samples(run, [first, second, third])
    log = read(run, tmp_path)
    samples = {sample.id: sample for sample in log.samples}
    assert samples["q0"].started_at is samples["q0"].completed_at is samples["q0"].total_time is None
    assert {event.timestamp.isoformat() for event in samples["q0"].events} == {"2026-11-27T01:00:00+00:00"}
    assert "not recorded" in samples["q0"].metadata["times"]
    assert samples["q1"].error.message == "too long"
    assert (log.results.total_samples, log.results.completed_samples) == (3, 2)
    assert values(log) == {"release": pytest.approx(2 / 3)}
    recompute_metrics(log)
    assert values(log) == {"release": pytest.approx(2 / 3)}


def test_the_status_says_how_the_run_is_getting_on(tmp_path):
    run = write_run(tmp_path / "run", [True, False], finished=False)
    write_samples(run, read_samples(run)[:1])
    log = read(run, tmp_path)
    assert (log.status, log.stats.completed_at, log.results.total_samples, len(log.samples)) == (
        "cancelled",
        "",
        2,
        1,
    )
    (run / LOCKS).mkdir()
    lock = FileLock(run / LOCKS / "process-0.lock")
    assert lock.acquire({})
    assert read(run, tmp_path).status == "started"
    lock.release()


def test_without_the_package_it_is_said_how_to_get_it(tmp_path, monkeypatch, capsys):
    run = write_run(tmp_path / "run", [True])
    monkeypatch.setitem(__import__("sys").modules, "inspect_ai", None)
    assert main(["export", str(run), "--to", "inspect", "-o", str(tmp_path / "run.eval")]) == 2
    assert "pip install 'recursivemas[inspect]'" in capsys.readouterr().err

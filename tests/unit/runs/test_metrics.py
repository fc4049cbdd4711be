"""Metrics: pass@k against its definition, what counts as a question, costs summed up."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import pytest

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.recursion.trace import Passage, StageUsage
from recursivemas.report import format_summary, result_line
from recursivemas.runs.intervals import wilson_interval
from recursivemas.runs.metrics import Outcome, pass_at_k, question_shares, summarise, total_costs
from recursivemas.tools import ToolCall
from tests.support.run_folders import grade_of, sample_of

MATH500 = dataclasses.replace(BENCHMARKS["math500"], graders=("release",))


def sample(question: str, correct: bool, rollout: int = 0, extracted="1", stand_in=False, **fields):
    usage = StageUsage(
        round=1,
        role="solver",
        prompt_tokens=10 if rollout == 0 else 0,
        latents_read=4,
        generated_tokens=5,
        result_tokens=2,
        seconds=0.5,
    )
    usual = {"verdicts": {"release": grade_of(correct, extracted, stand_in=stand_in)}, "usage": (usage,)}
    return sample_of(question, rollout, **{**usual, **fields})


@pytest.mark.parametrize("n", [1, 4, 6])
def test_pass_at_k_is_the_share_of_draws_with_a_hit(n):
    for correct in range(n + 1):
        for k in range(1, n + 1):
            draws = list(combinations([True] * correct + [False] * (n - correct), k))
            assert pass_at_k(n, correct, k) == pytest.approx(sum(map(any, draws)) / len(draws))


@pytest.mark.parametrize("k", [0, 4])
def test_k_has_to_be_within_the_samples(k):
    with pytest.raises(ValueError, match="has to be between 1 and the number of samples, 3"):
        pass_at_k(3, 1, k)


def test_accuracy_counts_samples_and_errors_are_wrong():
    samples = [
        sample("a", True),
        sample("b", False, retried=True),
        sample("c", False, extracted=None),
        sample("d", False, extracted=None, error="too long", usage=()),
    ]
    summary = summarise(samples, MATH500, 3.0)
    assert summary["headline"] == {
        "grader": "release",
        "metric": "accuracy",
        "value": 0.25,
        "interval_95": pytest.approx([0.0456, 0.6994], abs=1e-4),
        "correct": 1,
        "total": 4,
        "unparsed": {"count": 1, "value": 0.25, "interval_95": pytest.approx([0.0456, 0.6994], abs=1e-4)},
        "undecided": 0,
    }
    assert (summary["num_errors"], summary["num_unparsed"], summary["num_retried"]) == (1, 1, 1)
    assert summary["unparsed_rate"]["value"] == 0.25
    assert summary["unparsed_rate"]["interval_95"] == pytest.approx([0.0456, 0.6994], abs=1e-4)
    assert result_line(summary) == "[result] accuracy=25.00%"
    assert "1 of 4 by the release grader\n" in format_summary(summary)


def test_answers_without_a_verdict_are_counted_apart():
    undecided = {"release": grade_of(False, error="not compared")}
    samples = [sample("a", True), sample("b", False, verdicts=undecided), sample("c", False)]
    summary = summarise(samples, MATH500, 3.0)
    assert (summary["headline"]["correct"], summary["headline"]["undecided"]) == (1, 1)
    assert "1 of 3 by the release grader (1 undecided)\n" in format_summary(summary)


def test_each_grader_has_its_own_answers_that_it_could_not_read():
    verdicts = {"release": grade_of(True, "A", stand_in=True), "strict": grade_of(False, None)}
    read = {**verdicts, "release": grade_of(True, "A")}
    samples = [sample("a", True, verdicts=verdicts), sample("b", True, verdicts=read)]
    samples += [sample("c", False, verdicts=verdicts, error="too long")]
    summary = summarise(samples, MATH500, 3.0)
    counts = {name: score["unparsed"]["count"] for name, score in summary["metrics"].items()}
    assert counts == {"release": 1, "strict": 2}
    assert summary["num_unparsed"] == 1
    assert summary["metrics"]["strict"]["unparsed"]["value"] == pytest.approx(2 / 3)
    assert "1 without an answer that the release grader reads" in format_summary(summary)


def test_pass_at_k_counts_questions():
    benchmark = dataclasses.replace(MATH500, metric="pass@10")
    verdicts = {"a": (True, True, False), "b": (False, False, False), "c": (False, True, False)}
    samples = [
        sample(question, correct, rollout)
        for question, row in verdicts.items()
        for rollout, correct in enumerate(row)
    ]
    summary = summarise(samples, benchmark, 3.0)
    headline = summary["headline"]
    assert (headline["metric"], headline["correct"], headline["total"]) == ("pass@3", 2, 3)
    assert headline["any_of"] == 2
    assert headline["pass_at"] == pytest.approx({1: 1 / 3, 2: (1 + 0 + 2 / 3) / 3, 3: 2 / 3})
    assert headline["interval_95"] == pytest.approx(wilson_interval(2, 3))
    assert headline["pass_at_interval_95"][3] == pytest.approx(wilson_interval(2, 3))
    low, high = headline["pass_at_interval_95"][1]
    assert 0 <= low < 1 / 3 < high <= 1
    assert (summary["num_questions"], summary["num_samples"]) == (3, 9)
    assert result_line(summary) == "[result] pass@3=66.67%"


def test_answers_to_one_question_do_not_count_as_independent():
    agreeing = [sample(f"q{n}", n % 2 == 0, rollout) for n in range(20) for rollout in range(4)]
    once = [sample(f"q{n}", n % 2 == 0) for n in range(20)]
    four, one = (summarise(samples, MATH500, 3.0)["headline"] for samples in (agreeing, once))
    assert (four["value"], four["total"]) == (0.5, 80)
    assert four["interval_95"] == one["interval_95"]


def test_shares_and_costs_by_question():
    samples = [sample("a", True), sample("a", False, 1), sample("b", False), sample("b", False, 1)]
    outcomes = [Outcome.of(row) for row in samples]
    assert question_shares(outcomes, "release", "accuracy") == {"a": 0.5, "b": 0.0}
    assert question_shares(outcomes, "release", "pass@2") == {"a": 1.0, "b": 0.0}
    assert total_costs(outcomes) == {
        "prompt_tokens": 20,
        "latents_read": 16,
        "latent_steps": 0,
        "generated_tokens": 20,
        "result_tokens": 8,
        "seconds": 2.0,
    }


def test_costs_are_summed_by_round_and_agent():
    summary = summarise([sample("a", True), sample("a", True, 1), sample("b", True)], MATH500, 3.0)
    assert summary["stages"] == [
        {
            "round": 1,
            "role": "solver",
            "prompt_tokens": 20,
            "latents_read": 12,
            "latent_steps": 0,
            "generated_tokens": 15,
            "result_tokens": 6,
            "seconds": 1.5,
        }
    ]


def call(tool: str, status: str, seconds: float, *, cached: bool = False, result: str = ""):
    return ToolCall(tool=tool, request="", result=result, status=status, seconds=seconds, cached=cached)


def test_tool_calls_are_summed_up_by_tool():
    passages = {"r1/toolcaller": Passage("", (), (call("python", "ok", 0.25),))}
    samples = [
        sample("a", True, tool_calls=[call("search", "ok", 1.0), call("search", "ok", 0.0, cached=True)]),
        sample("b", True, tool_calls=[call("python", "timeout", 10.0)], passages=passages),
        sample("c", True, tool_calls=[call("python", "ok", 0.25)]),
    ]
    summary = summarise(samples, MATH500, seconds=1.0)
    no_failure = {"commonest_failure": None}
    assert summary["tools"] == {
        "search": {"calls": 2, "cached": 1, "seconds": 1.0, "status": {"ok": 2}, **no_failure},
        "python": {"calls": 3, "cached": 0, "seconds": 10.5, "status": {"ok": 2, "timeout": 1}, **no_failure},
    }
    text = format_summary(summary)
    assert "results read" in text
    assert "search: 2 calls, 2 ok; 1 from the cache; 1.0 s" in text
    assert "python: 3 calls, 2 ok, 1 timeout; 10.5 s" in text


def test_a_tool_that_nobody_called_is_there_and_a_stub_says_so():
    tools = {"max_calls": 5, "python": {"isolation": "limits"}, "search": {"provider": "stub"}}
    summary = summarise([sample("a", True)], MATH500, seconds=1.0, tools=tools)
    nothing = {"calls": 0, "cached": 0, "seconds": 0.0, "status": {}, "commonest_failure": None}
    assert summary["tools"] == {"python": nothing, "search": {**nothing, "provider": "stub"}}
    lines = format_summary(summary).splitlines()
    assert lines[-2:] == [
        "python: 0 calls",
        "search: 0 calls; there was no key: a stub answers all calls",
    ]


def test_why_most_calls_failed_is_said_in_a_line_of_statuses_in_order():
    refused = "the key\nwas refused \x1b[31m" + "x" * 300
    calls = [call("search", "limit", 0.0), call("search", "failed", 1.0, result="no connection")]
    calls += [call("search", "failed", 1.0, result=refused) for _ in range(2)]
    calls += [call("search", "timeout", 1.0, result="late"), call("search", "ok", 1.0)]
    summary = summarise([sample("a", True, tool_calls=calls)], MATH500, seconds=1.0)
    assert summary["tools"]["search"]["commonest_failure"] == {"text": refused, "calls": 2}
    assert format_summary(summary).splitlines()[-1] == (
        "search: 6 calls, 1 ok, 3 failed, 1 timeout, 1 limit; 5.0 s; "
        f"2 failed with: the key was refused \\x1b[31m{'x' * 175}"
    )


def test_a_run_without_tools_says_nothing_of_them():
    text = format_summary(summarise([sample("a", True)], MATH500, seconds=1.0))
    assert "results read" not in text
    assert "calls" not in text

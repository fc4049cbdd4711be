"""What a run's samples add up to: accuracy or pass@k by grader with intervals, costs by round and agent."""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import comb
from statistics import fmean
from typing import Any

import torch

from recursivemas.benchmarks import Benchmark
from recursivemas.statistics import share_interval

COSTS = (
    "prompt_tokens",
    "latents_read",
    "latent_steps",
    "generated_tokens",
    "result_tokens",
    "seconds",
)

Sample = Mapping[str, Any]


def summarise(
    samples: Sequence[Sample],
    benchmark: Benchmark,
    seconds: float,
    tools: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Metrics and costs of a run's samples; the first grader's is the headline.

    `seconds` are of wall clock. `tools` is what the run's toolbox says of itself, None where it has none.
    """
    metrics = {name: score(samples, name, benchmark.metric) for name in samples[0]["verdicts"]}
    headline = benchmark.graders[0]
    unparsed = metrics[headline]["unparsed"]
    return {
        "headline": {"grader": headline, **metrics[headline]},
        "metrics": metrics,
        "num_questions": len({sample["id"] for sample in samples}),
        "num_samples": len(samples),
        "num_errors": sum(sample["error"] is not None for sample in samples),
        "num_unparsed": unparsed["count"],
        "unparsed_rate": {name: unparsed[name] for name in ("value", "interval_95")},
        "num_retried": sum(sample["retried"] for sample in samples),
        "num_past_context": sum(sample["past_context"] for sample in samples),
        "stages": _sum_stages(samples),
        "tools": _sum_tool_calls(samples, tools or {}),
        "seconds": seconds,
        "peak_memory_bytes": _peak_memory(),
    }


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """The chance that at least one of k samples drawn from these is correct (Chen et al. 2021, unbiased)."""
    if not 1 <= k <= num_samples:
        raise ValueError(f"k is {k}; it has to be between 1 and the number of samples, {num_samples}")
    return 1.0 - comb(num_samples - num_correct, k) / comb(num_samples, k)


def score(samples: Sequence[Sample], grader: str, metric: str) -> dict[str, Any]:
    """One grader's figures. `value` is the named metric: pass@k counts questions, accuracy counts samples.

    `undecided` counts the samples on which the grader came to no verdict; they are among those not correct.
    With several rollouts, `pass_at` holds the unbiased estimate for each k and `any_of` the plain count of
    questions that any rollout got right. `unparsed` tells of the answers that this grader could not read.
    Intervals are over questions (see `statistics.share_interval`).
    """
    verdicts = list(_verdicts(samples, grader).values())
    num_rollouts = max(map(len, verdicts))
    solved = sum(map(any, verdicts))
    correct = sum(map(sum, verdicts))
    by_question = metric.startswith("pass@")
    hits, total = (solved, len(verdicts)) if by_question else (correct, len(samples))
    result: dict[str, Any] = {
        "metric": f"pass@{num_rollouts}" if by_question else metric,
        "value": hits / total,
        "interval_95": list(share_interval(list(question_shares(samples, grader, metric).values()))),
        "correct": hits,
        "total": total,
        "unparsed": _unparsed(samples, grader),
        "undecided": sum(bool(sample["verdicts"][grader].get("error")) for sample in samples),
    }
    if num_rollouts > 1:
        estimates = {
            k: [pass_at_k(len(row), sum(row), min(k, len(row))) for row in verdicts]
            for k in range(1, num_rollouts + 1)
        }
        result["any_of"] = solved
        result["pass_at"] = {k: fmean(shares) for k, shares in estimates.items()}
        result["pass_at_interval_95"] = {k: list(share_interval(shares)) for k, shares in estimates.items()}
    return result


def question_shares(samples: Sequence[Sample], grader: str, metric: str) -> dict[str, float]:
    """What each question adds to the metric, by id: whether any rollout was right, or the share of them."""
    share: Callable[[list[bool]], float] = any if metric.startswith("pass@") else fmean
    return {question: float(share(row)) for question, row in _verdicts(samples, grader).items()}


def total_costs(samples: Sequence[Sample]) -> dict[str, float]:
    """The samples' costs, all agents and rounds together."""
    usages = [usage for sample in samples for usage in sample["usage"]]
    return {cost: sum(usage.get(cost, 0) for usage in usages) for cost in COSTS}


def _verdicts(samples: Sequence[Sample], grader: str) -> dict[str, list[bool]]:
    return _by_question(samples, lambda sample: sample["verdicts"][grader]["correct"])


def _by_question(samples: Sequence[Sample], value: Callable[[Sample], bool]) -> dict[str, list[bool]]:
    """A value of every sample, by question id and in rollout order."""
    rows: dict[str, list[bool]] = {}
    for sample in samples:
        rows.setdefault(sample["id"], []).append(value(sample))
    return rows


def _unparsed(samples: Sequence[Sample], grader: str) -> dict[str, Any]:
    """The answers in which a grader read none: how many, and which share of all that were asked for."""
    rows = list(_by_question(samples, lambda sample: _is_unparsed(sample, grader)).values())
    shares = [fmean(row) for row in rows]
    return {
        "count": sum(map(sum, rows)),
        "value": fmean(shares),
        "interval_95": list(share_interval(shares)),
    }


def _is_unparsed(sample: Sample, grader: str) -> bool:
    verdict = sample["verdicts"][grader]
    return not sample["error"] and (verdict.get("extracted") is None or verdict.get("stand_in", False))


def _sum_stages(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Costs summed over the questions, by round and agent, in running order."""
    stages: dict[tuple[int, str], dict[str, Any]] = {}
    for sample in samples:
        for usage in sample["usage"]:
            place = (usage["round"], usage["role"])
            stage = stages.setdefault(place, {"round": place[0], "role": place[1], **dict.fromkeys(COSTS, 0)})
            for cost in COSTS:
                stage[cost] += usage.get(cost, 0)
    return list(stages.values())


def _tool_calls(sample: Sample) -> list[dict[str, Any]]:
    """All tool calls of a sample: in what agents passed on as text, then in the answer."""
    passages = sample.get("passages", {}).values()
    calls = [call for passage in passages for call in passage.get("tool_calls", ())]
    return [*calls, *sample.get("tool_calls", ())]


def _sum_tool_calls(samples: Sequence[Sample], tools: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures of every tool that the run has, by name; a tool that nobody called has 0 calls."""
    calls: dict[str, list[dict[str, Any]]] = {name: [] for name in tools if name != "max_calls"}
    for call in (call for sample in samples for call in _tool_calls(sample)):
        calls.setdefault(call["tool"], []).append(call)
    return {name: _sum_calls(rows) | _provider(tools.get(name, {})) for name, rows in calls.items()}


def _sum_calls(calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One tool's calls: how many, of each status, from a cache; seconds, and why most failed that failed."""
    failures = Counter(call["result"] for call in calls if call["status"] == "failed")
    commonest = [{"text": text, "calls": number} for text, number in failures.most_common(1)]
    return {
        "calls": len(calls),
        "cached": sum(call["cached"] for call in calls),
        "seconds": sum((call["seconds"] for call in calls), 0.0),
        "status": dict(Counter(call["status"] for call in calls)),
        "commonest_failure": commonest[0] if commonest else None,
    }


def _provider(tool: Mapping[str, Any]) -> dict[str, str]:
    """What answers, for tools that have several to choose from."""
    return {"provider": tool["provider"]} if "provider" in tool else {}


def _peak_memory() -> dict[str, int]:
    """The most memory this process held: its resident set as `cpu`, and what torch took on CUDA devices."""
    per_unit = 1 if sys.platform == "darwin" else 1024
    peak = {"cpu": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * per_unit}
    for index in range(torch.cuda.device_count()):
        peak[f"cuda:{index}"] = torch.cuda.max_memory_allocated(index)
    return peak

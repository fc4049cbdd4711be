"""What a run's samples add up to: accuracy or pass@k by grader with intervals, costs by round and agent."""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from statistics import fmean
from typing import Any

from recursivemas.benchmarks import Benchmark
from recursivemas.runs.intervals import share_interval
from recursivemas.runs.majority import Majorities
from recursivemas.runs.record import SampleRecord

POSITIONS = ("positions_computed", "positions_reused")
COSTS = (
    "prompt_tokens",
    "latents_read",
    "latent_steps",
    "generated_tokens",
    "result_tokens",
    "seconds",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a sample adds to scores and costs: all that has to be kept of it, whatever the length of its text.

    `correct` is by grader, `costs` are those of COSTS over all turns. `failed` tells that the question could
    not be run. `unread` tells, by grader, that it found no answer in the text, `undecided` that it
    came to no verdict.
    """

    id: str
    correct: dict[str, bool]
    failed: bool
    unread: dict[str, bool]
    undecided: dict[str, bool]
    costs: tuple[float, ...]

    @classmethod
    def of(cls, sample: SampleRecord) -> Outcome:
        verdicts = sample.verdicts.items()
        return cls(
            id=sample.id,
            correct={name: verdict.correct for name, verdict in verdicts},
            failed=sample.error is not None,
            undecided={name: bool(verdict.error) for name, verdict in verdicts},
            unread={name: not sample.error and verdict.answer is None for name, verdict in verdicts},
            costs=tuple(sum(getattr(usage, cost) for usage in sample.usage) for cost in COSTS),
        )


def summarise(
    samples: Iterable[SampleRecord],
    benchmark: Benchmark,
    seconds: float,
    tools: Mapping[str, Any] | None = None,
    majorities: Majorities | None = None,
) -> dict[str, Any]:
    """Metrics and costs of a run's samples; the first grader's is the headline.

    The samples are gone through once and not kept. `seconds` are of wall clock. `tools` is what the run's
    toolbox says of itself, None where it has none. `majorities` counts the votes of several rollouts.
    """
    outcomes: list[Outcome] = []
    stages = StageCosts()
    calls = ToolCosts(tools or {})
    counts: Counter[str] = Counter()
    for sample in samples:
        outcomes.append(Outcome.of(sample))
        stages.add(sample)
        calls.add(sample)
        if majorities:
            majorities.add(sample)
        counts.update(name for name in ("retried", "past_context") if getattr(sample, name))
        for usage in sample.usage:
            counts.update({name: getattr(usage, name) for name in POSITIONS})
    metrics = {
        name: {
            **score(outcomes, name, benchmark.metric),
            **(majorities.figures(name) if majorities else {}),
        }
        for name in outcomes[0].correct
    }
    headline = benchmark.graders[0]
    unparsed = metrics[headline]["unparsed"]
    return {
        "headline": {"grader": headline, **metrics[headline]},
        "metrics": metrics,
        "num_questions": len({outcome.id for outcome in outcomes}),
        "num_samples": len(outcomes),
        "num_errors": sum(outcome.failed for outcome in outcomes),
        "num_unparsed": unparsed["count"],
        "unparsed_rate": {name: unparsed[name] for name in ("value", "interval_95")},
        "num_retried": counts["retried"],
        "num_past_context": counts["past_context"],
        "stages": stages.rows(),
        "positions": {"computed": counts["positions_computed"], "reused": counts["positions_reused"]},
        "tools": calls.figures(),
        "seconds": seconds,
        "peak_memory_bytes": peak_memory(),
    }


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """The chance that at least one of k samples drawn from these is correct (Chen et al. 2021, unbiased)."""
    if not 1 <= k <= num_samples:
        raise ValueError(f"k is {k}; it has to be between 1 and the number of samples, {num_samples}")
    return 1.0 - comb(num_samples - num_correct, k) / comb(num_samples, k)


def score(outcomes: Sequence[Outcome], grader: str, metric: str) -> dict[str, Any]:
    """One grader's figures. `value` is the named metric: pass@k counts questions, accuracy counts samples.

    `undecided` counts the samples on which the grader came to no verdict; they are among those not correct.
    With several rollouts, `pass_at` holds the unbiased estimate for each k and `any_of` the plain count of
    questions that any rollout got right. `unparsed` tells of the answers that this grader could not read.
    Intervals are over questions (see `intervals.share_interval`).
    """
    verdicts = list(_verdicts(outcomes, grader).values())
    num_rollouts = max(map(len, verdicts))
    solved = sum(map(any, verdicts))
    correct = sum(map(sum, verdicts))
    by_question = metric.startswith("pass@")
    hits, total = (solved, len(verdicts)) if by_question else (correct, len(outcomes))
    result: dict[str, Any] = {
        "metric": f"pass@{num_rollouts}" if by_question else metric,
        "value": hits / total,
        "interval_95": list(share_interval(list(question_shares(outcomes, grader, metric).values()))),
        "correct": hits,
        "total": total,
        "unparsed": _unparsed(outcomes, grader),
        "undecided": sum(outcome.undecided[grader] for outcome in outcomes),
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


def question_shares(outcomes: Sequence[Outcome], grader: str, metric: str) -> dict[str, float]:
    """What each question adds to the metric, by id: whether any rollout was right, or the share of them."""
    share: Callable[[list[bool]], float] = any if metric.startswith("pass@") else fmean
    return {question: float(share(row)) for question, row in _verdicts(outcomes, grader).items()}


def total_costs(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """The samples' costs, all agents and rounds together."""
    totals = [0.0] * len(COSTS)
    for outcome in outcomes:
        totals = [total + cost for total, cost in zip(totals, outcome.costs, strict=True)]
    return dict(zip(COSTS, totals, strict=True))


def _verdicts(outcomes: Sequence[Outcome], grader: str) -> dict[str, list[bool]]:
    return _by_question(outcomes, lambda outcome: outcome.correct[grader])


def _by_question(outcomes: Sequence[Outcome], value: Callable[[Outcome], bool]) -> dict[str, list[bool]]:
    """A value of every sample, by question id and in rollout order."""
    rows: dict[str, list[bool]] = {}
    for outcome in outcomes:
        rows.setdefault(outcome.id, []).append(value(outcome))
    return rows


def _unparsed(outcomes: Sequence[Outcome], grader: str) -> dict[str, Any]:
    """The answers in which a grader read none: how many, and which share of all that were asked for."""
    rows = list(_by_question(outcomes, lambda outcome: outcome.unread[grader]).values())
    shares = [fmean(row) for row in rows]
    return {
        "count": sum(map(sum, rows)),
        "value": fmean(shares),
        "interval_95": list(share_interval(shares)),
    }


class StageCosts:
    """Costs summed over the questions, by round and agent, in running order."""

    def __init__(self) -> None:
        self._stages: dict[tuple[int, str], dict[str, Any]] = {}

    def add(self, sample: SampleRecord) -> None:
        for usage in sample.usage:
            empty = {"round": usage.round, "role": usage.role, **dict.fromkeys(COSTS, 0)}
            stage = self._stages.setdefault((usage.round, usage.role), empty)
            for cost in COSTS:
                stage[cost] += getattr(usage, cost)

    def rows(self) -> list[dict[str, Any]]:
        return list(self._stages.values())


class ToolCosts:
    """The figures of every tool that the run has, by name; a tool that nobody called has 0 calls.

    `tools` is what the toolbox says of itself.
    """

    def __init__(self, tools: Mapping[str, Any]) -> None:
        self._tools = tools
        self._rows = {name: _no_calls() for name in tools if name != "max_calls"}
        self._failures: dict[str, Counter[str]] = {}

    def add(self, sample: SampleRecord) -> None:
        for call in sample.all_tool_calls:
            row = self._rows.setdefault(call.tool, _no_calls())
            row["calls"] += 1
            row["cached"] += call.cached
            row["seconds"] += call.seconds
            row["status"][call.status] = row["status"].get(call.status, 0) + 1
            if call.status == "failed":
                self._failures.setdefault(call.tool, Counter())[call.result] += 1

    def figures(self) -> dict[str, dict[str, Any]]:
        """How many calls, of each status, from a cache; seconds, and why most failed that failed."""
        return {
            name: {
                **row,
                "commonest_failure": self._commonest_failure(name),
                **_provider(self._tools.get(name, {})),
            }
            for name, row in self._rows.items()
        }

    def _commonest_failure(self, name: str) -> dict[str, Any] | None:
        commonest = self._failures.get(name, Counter()).most_common(1)
        return {"text": commonest[0][0], "calls": commonest[0][1]} if commonest else None


def _no_calls() -> dict[str, Any]:
    return {"calls": 0, "cached": 0, "seconds": 0.0, "status": {}}


def _provider(tool: Mapping[str, Any]) -> dict[str, str]:
    """What answers, for tools that have several to choose from."""
    return {"provider": tool["provider"]} if "provider" in tool else {}


def peak_memory() -> dict[str, int]:
    """The most memory this process held: its resident set as `cpu`, and what torch took on CUDA devices."""
    import torch  # a run has it already; who reads finished runs needs none

    per_unit = 1 if sys.platform == "darwin" else 1024
    peak = {"cpu": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * per_unit}
    for index in range(torch.cuda.device_count()):
        peak[f"cuda:{index}"] = torch.cuda.max_memory_allocated(index)
    return peak

"""What a run's samples add up to: accuracy or pass@k by grader, costs by round and agent."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping, Sequence
from math import comb
from typing import Any

import torch

from recursivemas.benchmarks import Benchmark

COSTS = ("prompt_tokens", "latents_read", "latent_steps", "generated_tokens", "seconds")

Sample = Mapping[str, Any]


def summarise(samples: Sequence[Sample], benchmark: Benchmark, seconds: float) -> dict[str, Any]:
    """Metrics and costs of a run's samples; the first grader's is the headline. `seconds`: wall clock."""
    metrics = {name: _score(samples, name, benchmark.metric) for name in samples[0]["verdicts"]}
    headline = benchmark.graders[0]
    return {
        "headline": {"grader": headline, **metrics[headline]},
        "metrics": metrics,
        "num_questions": len({sample["id"] for sample in samples}),
        "num_samples": len(samples),
        "num_errors": sum(sample["error"] is not None for sample in samples),
        "num_unparsed": sum(sample["extracted"] is None and not sample["error"] for sample in samples),
        "num_retried": sum(sample["retried"] for sample in samples),
        "stages": _sum_stages(samples),
        "seconds": seconds,
        "peak_memory_bytes": _peak_memory(),
    }


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """The chance that at least one of k samples drawn from these is correct (Chen et al. 2021, unbiased)."""
    if not 1 <= k <= num_samples:
        raise ValueError(f"k is {k}; it has to be between 1 and the number of samples, {num_samples}")
    return 1.0 - comb(num_samples - num_correct, k) / comb(num_samples, k)


def _score(samples: Sequence[Sample], grader: str, metric: str) -> dict[str, Any]:
    """One grader's figures. `value` is the named metric: pass@k counts questions, accuracy counts samples.

    With several rollouts, `pass_at` holds the unbiased estimate for each k and `any_of` the plain count of
    questions that any rollout got right.
    """
    verdicts: dict[str, list[bool]] = {}
    for sample in samples:
        verdicts.setdefault(sample["id"], []).append(sample["verdicts"][grader]["correct"])
    num_rollouts = max(map(len, verdicts.values()))
    solved = sum(any(row) for row in verdicts.values())
    correct = sum(map(sum, verdicts.values()))
    by_question = metric.startswith("pass@")
    hits, total = (solved, len(verdicts)) if by_question else (correct, len(samples))
    score: dict[str, Any] = {
        "metric": f"pass@{num_rollouts}" if by_question else metric,
        "value": hits / total,
        "correct": hits,
        "total": total,
    }
    if num_rollouts > 1:
        score["any_of"] = solved
        score["pass_at"] = {
            k: sum(pass_at_k(len(row), sum(row), min(k, len(row))) for row in verdicts.values())
            / len(verdicts)
            for k in range(1, num_rollouts + 1)
        }
    return score


def _sum_stages(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Costs summed over the questions, by round and agent, in running order."""
    stages: dict[tuple[int, str], dict[str, Any]] = {}
    for sample in samples:
        for usage in sample["usage"]:
            place = (usage["round"], usage["role"])
            stage = stages.setdefault(place, {"round": place[0], "role": place[1], **dict.fromkeys(COSTS, 0)})
            for cost in COSTS:
                stage[cost] += usage[cost]
    return list(stages.values())


def _peak_memory() -> dict[str, int]:
    """The most memory this process held: its resident set as `cpu`, and what torch took on CUDA devices."""
    per_unit = 1 if sys.platform == "darwin" else 1024
    peak = {"cpu": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * per_unit}
    for index in range(torch.cuda.device_count()):
        peak[f"cuda:{index}"] = torch.cuda.max_memory_allocated(index)
    return peak

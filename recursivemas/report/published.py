"""The published figures, for comparison.

The release's single runs, and the paper's Table 2 (arXiv 2604.25917). Accuracy in percent; aime25 and aime26
are pass@10. All were graded by the release's own grader.

Source: docs/protocol.md, "Published results".
"""

from __future__ import annotations

from dataclasses import dataclass

# style -> benchmark -> percent, one run each at the release's settings.
SINGLE_RUNS: dict[str, dict[str, float]] = {
    "sequential_light": {
        "math500": 78.0,
        "gpqa": 32.3,
        "medqa": 32.0,
        "mbppplus": 37.3,
        "aime25": 33.3,
        "aime26": 20.0,
    },
    "sequential_scaled": {
        "math500": 88.5,
        "gpqa": 65.7,
        "medqa": 82.7,
        "aime25": 86.7,
        "aime26": 90.0,
        "livecodebench": 42.1,
    },
    "mixture": {"gpqa": 42.7, "medqa": 61.3, "aime26": 46.7, "livecodebench": 22.8},
    "distillation": {"gpqa": 68.7, "medqa": 82.7, "mbppplus": 72.6, "aime26": 86.7, "livecodebench": 43.0},
    "deliberation": {"gpqa": 65.3, "aime26": 90.0, "bamboogle": 54.4, "hotpotqa": 43.6},
}


@dataclass(frozen=True)
class ByMode:
    """Percent with latents passed on, and with text passed on."""

    latent: float
    text: float


# style -> benchmark -> one entry a number of rounds, from 1 on. The paper has one column for code; which
# benchmark it stands for is taken from the release's single runs, where each style has one.
BY_ROUNDS: dict[str, dict[str, tuple[ByMode, ...]]] = {
    "sequential_light": {
        "math500": (ByMode(75.8, 71.9), ByMode(76.6, 72.5), ByMode(77.8, 69.1)),
        "aime25": (ByMode(30.7, 24.0), ByMode(33.3, 23.3), ByMode(34.0, 18.0)),
        "aime26": (ByMode(17.3, 16.7), ByMode(18.7, 10.0), ByMode(20.0, 16.7)),
        "gpqa": (ByMode(30.3, 28.1), ByMode(32.3, 28.7), ByMode(32.6, 28.7)),
        "medqa": (ByMode(30.3, 29.0), ByMode(31.2, 28.3), ByMode(31.7, 28.5)),
        "mbppplus": (ByMode(35.1, 30.7), ByMode(36.9, 30.0), ByMode(37.4, 29.3)),
    },
    "sequential_scaled": {
        "math500": (ByMode(86.3, 84.2), ByMode(87.1, 84.4), ByMode(88.2, 85.8)),
        "aime25": (ByMode(80.0, 71.3), ByMode(86.0, 70.7), ByMode(86.7, 73.3)),
        "aime26": (ByMode(82.7, 76.7), ByMode(84.0, 77.3), ByMode(86.0, 74.7)),
        "gpqa": (ByMode(63.1, 61.5), ByMode(64.6, 59.1), ByMode(66.2, 58.6)),
        "medqa": (ByMode(78.2, 76.1), ByMode(78.3, 76.1), ByMode(79.3, 77.1)),
        "livecodebench": (ByMode(40.1, 38.5), ByMode(41.3, 38.0), ByMode(42.8, 36.5)),
    },
}

# number of rounds -> (times as fast as text mode, share of tokens saved), over the paper's benchmarks.
AGAINST_TEXT: dict[int, tuple[float, float]] = {1: (1.2, 0.346), 2: (1.9, 0.655), 3: (2.4, 0.756)}

BENCHMARK_ORDER = (
    "math500",
    "aime25",
    "aime26",
    "gpqa",
    "medqa",
    "mbppplus",
    "livecodebench",
    "bamboogle",
    "hotpotqa",
)
"""The paper's, then those that only the release has."""


def counts_as_published(benchmark: str, metric: str) -> bool:
    """Whether the metric is that of the published figures: pass@10 on AIME, else one answer a question."""
    return metric in (("pass@10",) if benchmark in ("aime25", "aime26") else ("accuracy", "pass@1"))


def single_run(style: str, benchmark: str) -> float | None:
    """The release's figure in percent, None where none was published."""
    return SINGLE_RUNS.get(style, {}).get(benchmark)


def by_rounds(style: str, benchmark: str, rounds: int) -> ByMode | None:
    """The paper's figures in percent, None where none were published."""
    rows = BY_ROUNDS.get(style, {}).get(benchmark, ())
    return rows[rounds - 1] if rounds <= len(rows) else None

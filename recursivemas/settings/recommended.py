"""The published settings: what the release recommends for a style and a benchmark.

Source: docs/protocol.md, "Settings" (the tables) and "Decoding" (temperatures and lengths).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from recursivemas.benchmarks import Benchmark, find_benchmark
from recursivemas.errors import UserError


class RecommendedRow(NamedTuple):
    """A table's entry for one style and benchmark; its fields are settings."""

    latent_length: int
    num_recursive_rounds: int
    batch_size: int

    def __str__(self) -> str:
        return (
            f"latent_length {self.latent_length}, rounds {self.num_recursive_rounds}, batch {self.batch_size}"
        )


_JUNE: dict[str, dict[str, tuple[int, int]]] = {
    "sequential_light": {
        "math500": (32, 3),
        "medqa": (32, 2),
        "gpqa": (48, 3),
        "mbppplus": (48, 3),
        "aime25": (32, 3),
        "aime26": (32, 2),
    },
    "sequential_scaled": {
        "math500": (64, 2),
        "medqa": (32, 3),
        "gpqa": (32, 2),
        "mbppplus": (32, 3),
        "aime25": (48, 3),
        "aime26": (64, 3),
        "livecodebench": (48, 2),
    },
    "distillation": {
        "math500": (64, 3),
        "medqa": (64, 2),
        "gpqa": (64, 3),
        "mbppplus": (16, 2),
        "aime25": (32, 3),
        "aime26": (32, 3),
        "livecodebench": (64, 2),
    },
    "deliberation": {
        "math500": (16, 2),
        "medqa": (16, 2),
        "gpqa": (16, 3),
        "mbppplus": (16, 3),
        "aime25": (16, 3),
        "aime26": (16, 2),
        "livecodebench": (16, 3),
        "bamboogle": (16, 3),
        "hotpotqa": (32, 2),
    },
    "mixture": {
        "math500": (64, 3),
        "medqa": (48, 2),
        "gpqa": (48, 3),
        "mbppplus": (32, 3),
        "aime25": (16, 3),
        "aime26": (32, 2),
        "livecodebench": (16, 2),
    },
}
_JUNE_BATCH_SIZE = {"aime25": 15, "aime26": 15, "livecodebench": 12, "bamboogle": 8, "hotpotqa": 8}
_JUNE_BATCH_SIZE_ELSE = 16

TABLES: Mapping[str, Mapping[tuple[str, str], RecommendedRow]] = {
    "june": {
        (style, benchmark): RecommendedRow(*entry, _JUNE_BATCH_SIZE.get(benchmark, _JUNE_BATCH_SIZE_ELSE))
        for style, entries in _JUNE.items()
        for benchmark, entry in entries.items()
    },
    # Only one batch size was published for April; the others are June's.
    "april": {
        ("sequential_light", "math500"): RecommendedRow(48, 3, 32),
        ("sequential_light", "medqa"): RecommendedRow(32, 3, 16),
        ("sequential_light", "gpqa"): RecommendedRow(32, 3, 16),
        ("sequential_light", "mbppplus"): RecommendedRow(16, 3, 16),
        ("sequential_scaled", "math500"): RecommendedRow(32, 3, 16),
        ("sequential_scaled", "medqa"): RecommendedRow(48, 3, 16),
        ("sequential_scaled", "gpqa"): RecommendedRow(48, 3, 16),
        ("sequential_scaled", "mbppplus"): RecommendedRow(16, 3, 16),
    },
}
"""The tables of 2026 by month, each from (style, benchmark) to its row."""

_LIVECODEBENCH_TEMPERATURE = {"distillation": 0.6, "deliberation": 0.6}
_CODE_TEMPERATURE = 0.2

# benchmark -> style -> longest answer, with the entry None for other styles
_MAX_NEW_TOKENS: dict[str, dict[str | None, int]] = {
    "math500": {"sequential_light": 1000, None: 2000},
    "aime25": {"sequential_light": 8192, None: 16000},
    "aime26": {"sequential_light": 8192, None: 16000},
    "livecodebench": {None: 4096},
}
_MAX_NEW_TOKENS_ELSE = 4000


def find_row(style: str, dataset: str, table: str = "june") -> RecommendedRow | None:
    """The table's row for a style and benchmark; None where June's table has none.

    Raises UserError where another table, which somebody has asked for, has none.
    """
    row = TABLES[table].get((style, dataset))
    if row is None and table != "june":
        known = ", ".join(" on ".join(key) for key in TABLES[table])
        raise UserError(
            f"the published table of {table} has no row for {style} on {dataset}; it has {known}. Leave "
            "--recommended out for June's, or take one of these"
        )
    return row


def recommended(style: str, dataset: str | Benchmark, table: str = "june") -> dict[str, Any]:
    """The published settings for a style and dataset, by name; fewer where June's table has no row.

    Raises DatasetError for a dataset that is neither a benchmark nor a file, and what `find_row` raises.
    """
    benchmark = find_benchmark(dataset)
    dataset = benchmark.address
    tokens = _MAX_NEW_TOKENS.get(dataset, {None: _MAX_NEW_TOKENS_ELSE})
    values: dict[str, Any] = {
        "max_new_tokens": tokens.get(style, tokens[None]),
        "num_rollouts": benchmark.num_rollouts,
    }
    if benchmark.task == "code":
        values["temperature"] = _CODE_TEMPERATURE
    if row := find_row(style, dataset, table):
        values |= row._asdict()
        if dataset == "livecodebench":
            values["temperature"] = _LIVECODEBENCH_TEMPERATURE.get(style, _CODE_TEMPERATURE)
    return values

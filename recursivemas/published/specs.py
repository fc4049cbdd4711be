"""The tables of the published `load_from_repo.py`."""

from __future__ import annotations

from typing import Any

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.release.names import full_name
from recursivemas.release.resolve import OUTER
from recursivemas.styles import PUBLISHED_STYLES, Style


def _spec(style: Style) -> dict[str, Any]:
    repos = {agent.role: full_name(agent.repo) for agent in style.agents}
    assert style.outer_repo is not None, f"the published style {style.name} has outer links"
    return {"family": style.family, "repos": {**repos, OUTER: full_name(style.outer_repo)}}


STYLE_SPECS: dict[str, dict[str, Any]] = {name: _spec(style) for name, style in PUBLISHED_STYLES.items()}
"""Each published style's family, and its repositories by role and `outer`."""

DATASET_DEFAULT_SPLIT: dict[str, str | None] = {
    name: benchmark.split for name, benchmark in BENCHMARKS.items()
}
"""The split that each benchmark is read from; None for one that comes from a local file."""

"""The files of a system for a dataset, by our names and by the published ones.

Source: docs/protocol.md, "Published names".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recursivemas.benchmarks import Benchmark, find_benchmark
from recursivemas.release.resolve import OUTER, ReleaseFiles, resolve_release
from recursivemas.styles import Style, load_style


@dataclass(frozen=True, kw_only=True)
class ResolvedMASPaths(ReleaseFiles):
    """The files of a system. The mappings are by role, and `outer` for the outer links' repository.

    What starts untrained has no file, and stands in no mapping of paths.
    """

    graph: Style
    dataset: str

    @property
    def style(self) -> str:
        return self.graph.name

    @property
    def family(self) -> str:
        return self.graph.family

    @property
    def repo_ids(self) -> dict[str, str]:
        ids = {role: files.repo_id for role, files in self.agents.items()}
        outer = next((file.repo_id for file in self.links.values() if file.repo_id), None)
        return {**ids, **({OUTER: outer} if outer else {})}

    @property
    def repo_paths(self) -> dict[str, Path]:
        paths = {role: files.model_dir for role, files in self.agents.items()}
        outer = next((file.path for file in self.links.values() if file.path), None)
        return {**paths, **({OUTER: outer.parent} if outer else {})}

    @property
    def inner_adapter_paths(self) -> dict[str, Path]:
        return {role: files.inner_link for role, files in self.agents.items() if files.inner_link}

    @property
    def outer_adapter_paths(self) -> dict[str, Path]:
        """By published key (`outer_12`)."""
        files = ((link.key, self.links[link.source, link.target].path) for link in self.graph.links)
        return {key: path for key, path in files if key and path}


def resolve_mas_paths(
    style: str | Path | Mapping[str, Any] | Style,
    dataset: str | Benchmark = "math500",
    *,
    release: str | Path = "hub",
    overrides: Mapping[str, str | Path] | None = None,
    revision: str | Mapping[str, str] | None = None,
    trust_remote_code: bool = False,
) -> ResolvedMASPaths:
    """Find, and on the hub download, all that a style needs on a dataset; no model is loaded.

    Arguments and errors are those of `load_mas_system`.
    """
    graph, benchmark = load_style(style), find_benchmark(dataset)
    files = resolve_release(
        graph,
        benchmark.task,
        release=release,
        overrides=overrides,
        revision=revision,
        trust_remote_code=trust_remote_code,
    )
    return ResolvedMASPaths(
        agents=files.agents, links=files.links, source=files.source, graph=graph, dataset=benchmark.address
    )


def summarize_mas_paths(paths: ResolvedMASPaths) -> dict[str, Any]:
    """What a system is made of as plain data, which prints and goes into JSON."""

    def as_text(table: Mapping[str, Path]) -> dict[str, str]:
        return {name: str(path) for name, path in table.items()}

    return {
        "style": paths.style,
        "family": paths.family,
        "dataset": paths.dataset,
        "repo_ids": paths.repo_ids,
        "repo_paths": as_text(paths.repo_paths),
        "inner_adapter_paths": as_text(paths.inner_adapter_paths),
        "outer_adapter_paths": as_text(paths.outer_adapter_paths),
    }

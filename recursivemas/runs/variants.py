"""Variants: the same models with other links, for runs that differ in their links alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recursivemas.agents.load import resolve_dtype
from recursivemas.agents.load_links import ReadLinks, read_links
from recursivemas.benchmarks import Benchmark
from recursivemas.errors import UserError
from recursivemas.release.paths import ResolvedMASPaths, resolve_mas_paths
from recursivemas.release.resolve import ReleaseFiles
from recursivemas.styles import Style
from recursivemas.system import MASSystem, check_dimensions, load_mas_system, read_outlines


def load_variants(
    style: Style, benchmark: Benchmark, variants: Mapping[str, Mapping[str, str | Path]], **loading: Any
) -> dict[str, MASSystem]:
    """A system for each of several sets of links, by the sets' names; the models are loaded once for all.

    A set is given by its overrides. `loading` and errors are those of `load_mas_system`, and every set is
    read before a model is loaded. Raises UserError where the overrides of a set bring a model of their own.
    """
    where = {name: loading[name] for name in ("release", "revision", "trust_remote_code") if name in loading}
    paths = {
        name: resolve_mas_paths(style, benchmark, overrides=overrides, **where)
        for name, overrides in variants.items()
    }
    check_same_models(paths)
    first, *others = variants
    outlines = read_outlines(paths[first], where.get("trust_remote_code", False))
    dtype = resolve_dtype(loading.get("dtype", "auto"))
    outer_dtype = resolve_dtype(loading.get("outer_dtype", "auto")) or dtype
    links = {}
    for name in others:
        check_dimensions(paths[name], outlines)
        links[name] = read_links(style, paths[name], outlines, dtype, outer_dtype)
    system = load_mas_system(style, benchmark, overrides=variants[first], **loading)
    return {first: system, **{name: _with_links(system, links[name], paths[name]) for name in others}}


def check_same_models(files: Mapping[str, ReleaseFiles]) -> None:
    """Raise UserError where one of several sets, by their names, has another model than the first."""
    first, *others = files
    for name in others:
        for role, agent in files[name].agents.items():
            wanted = files[first].agents[role].model_dir
            if agent.model_dir.resolve() != wanted.resolve():
                raise UserError(
                    f"variant {name} has another model for {role} than {first}: {agent.model_dir}, not "
                    f"{wanted}. Variants differ in their links alone; give a folder that holds links and no "
                    "model, or run the other model by itself"
                )


def _with_links(system: MASSystem, links: ReadLinks, paths: ResolvedMASPaths) -> MASSystem:
    """A system of the same models with the links that were read from those paths."""
    agents = {
        role: replace(
            agent,
            inner_link=links.place_inner(role, agent.engine),
            inner_link_path=paths.agents[role].inner_link,
        )
        for role, agent in system.agents.items()
    }
    return MASSystem(
        style=system.graph,
        dataset=system.benchmark,
        agents=agents,
        outer_links=links.place_outer(agents),
        prompts=system.prompts,
        paths=paths,
        release=system.release,
        offload=system.offload,
    )

"""The dry run: everything that a run would use and where it comes from, before any weights are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from transformers import GenerationConfig

from recursivemas.benchmarks import find_benchmark
from recursivemas.evaluate import choose_style, read_questions
from recursivemas.hub import ReleaseFiles, resolve_release
from recursivemas.loading import reading
from recursivemas.prompts import load_pack
from recursivemas.report import format_table
from recursivemas.settings import Origin, RunSettings
from recursivemas.styles import Style
from recursivemas.system import check_dimensions, read_configs, resolve_devices
from recursivemas.toolkit import build_toolbox, writing_agents
from recursivemas.tools import Toolbox
from recursivemas.verdicts import RunGraders


def describe_plan(settings: RunSettings, origins: Mapping[str, Origin]) -> str:
    """The plan of a run as text.

    Everything is looked up and checked as a run would do it; configurations are read (and fetched from the
    hub), weights are not. Raises what a run would raise before it loads weights.
    """
    benchmark = find_benchmark(settings.dataset)
    style = choose_style(settings)
    benchmark.check_style(style)
    graders = RunGraders(benchmark, settings).describe()
    toolbox = build_toolbox(style, settings)
    questions = read_questions(settings)
    prompts = load_pack(settings.prompts).with_prompts(style.prompts)
    prompts.check(style, task=benchmark.task, mode=settings.solve_settings().mode)
    devices = resolve_devices(settings.device, style)
    paths = resolve_release(
        style,
        benchmark.task,
        release=settings.release,
        overrides=settings.overrides(),
        revision=settings.revision,
        trust_remote_code=settings.trust_remote_code,
        download_weights=False,
    )
    configs = read_configs(paths, settings.trust_remote_code)
    check_dimensions(paths, configs)
    values = [[name, str(value), origins[name]] for name, value in asdict(settings).items()]
    agents = [
        [
            role,
            files.repo_id,
            files.revision or "-",
            str(configs[role].hidden_size),
            str(configs[role].dtype) if settings.dtype == "auto" else settings.dtype,
            str(devices[role]),
        ]
        for role, files in paths.agents.items()
    ]
    return "\n\n".join(
        [
            format_table(["setting", "value", "origin"], values),
            format_table(["agent", "repository", "revision", "hidden size", "dtype", "device"], agents),
            format_table(["file of", "place"], _places(style, paths)),
            *_describe_tools(toolbox, style, settings.mode),
            _describe_sampling(settings, style, paths),
            f"release {paths.source}; {_describe_prompts(prompts.describe())}; "
            f"{len(questions)} questions of {benchmark.name}, graded by {', '.join(graders['names'])}"
            f"{_isolation(graders)}. No weights were loaded.",
        ]
    )


def _places(style: Style, paths: ReleaseFiles) -> list[list[str]]:
    models = [[role, str(files.model_dir)] for role, files in paths.agents.items()]
    inner = [[f"{role}'s inner link", _place(files.inner_link)] for role, files in paths.agents.items()]
    outer = [
        [
            f"{link}{' (feedback)' if link.feedback else ''}",
            _place(paths.links[link.source, link.target].path),
        ]
        for link in style.links
    ]
    return [*models, *inner, *outer]


def _isolation(graders: Mapping[str, Any]) -> str:
    level = graders["code_isolation"]
    return f", code run under {level}" if level else ""


def _describe_tools(toolbox: Toolbox | None, style: Style, mode: str) -> Iterator[str]:
    """The tools of the agents that write, each with what decides its answers; nothing where there is none."""
    if toolbox is None:
        return
    described = toolbox.describe()
    max_calls = described.pop("max_calls")
    rows = [
        [
            name,
            ", ".join(agent.role for agent in writing_agents(style, mode) if name in agent.tools),
            ", ".join(f"{key} {value}" for key, value in tool.items() if value is not None),
        ]
        for name, tool in described.items()
    ]
    table = format_table(["tool", "agents", "settings"], rows)
    yield f"{table}\nup to {max_calls} call{'s' * (max_calls != 1)} in a text"


def _describe_prompts(described: Mapping[str, Any]) -> str:
    return f"prompts: {described['origin']} {described['name']} (sha256 {described['sha256'][:12]})"


def _place(path: object) -> str:
    return "untrained" if path is None else str(path)


def _describe_sampling(settings: RunSettings, style: Style, paths: ReleaseFiles) -> str:
    """How the answering agent's text is sampled once its model's own defaults are filled in."""
    files = paths.agents[style.answering_role]
    with reading(files.model_dir) as view:
        defaults = (
            GenerationConfig.from_pretrained(view) if (view / "generation_config.json").exists() else None
        )
    sampling = settings.solve_settings().sampling.resolve(defaults)
    if sampling.greedy:
        return f"{style.answering_role} writes greedily, repetition_penalty {sampling.repetition_penalty}"
    shown = ", ".join(f"{name} {value}" for name, value in asdict(sampling).items() if name != "greedy")
    return f"{style.answering_role} samples with {shown} (its generation_config.json fills what is not set)"

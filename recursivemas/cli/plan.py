"""The dry run: everything that a run would use and where it comes from, before any weights are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from recursivemas.agents.backend import choose_backend
from recursivemas.agents.checkpoint import Outline
from recursivemas.agents.computing import check_models
from recursivemas.agents.load import resolve_devices, resolve_dtype
from recursivemas.agents.offload import check_movable
from recursivemas.cli.before_work import checks_before_work
from recursivemas.cli.footprint import describe_files, describe_memory
from recursivemas.cli.reproduction import describe_reproduction
from recursivemas.errors import UserError
from recursivemas.output.redaction import redact_urls
from recursivemas.output.sizes import format_sizes
from recursivemas.recursion.toolbox import writing_agents
from recursivemas.release.patience import first_failure_counts
from recursivemas.release.resolve import ReleaseFiles
from recursivemas.report import format_table
from recursivemas.runs.prepare import PreparedRun
from recursivemas.runs.ranks import current_rank
from recursivemas.runs.sweep import plan_runs
from recursivemas.sampling import SamplingSettings
from recursivemas.styles import AgentSpec, Style
from recursivemas.system import check_dimensions
from recursivemas.tools import Toolbox


def print_plan(run: PreparedRun) -> None:
    """The plan as far as it can be told; raises UserError where a run would not get as far as its models."""
    problems: list[str] = []
    with first_failure_counts():
        for section in describe_plan(run, problems):
            print(f"{redact_urls(section)}\n", flush=True)
    if problems:
        raise UserError("a run would stop here:\n" + "\n".join(problems))


def describe_plan(run: PreparedRun, problems: list[str]) -> Iterator[str]:
    """The plan of a run, section by section, as far as it can be told.

    What is set and how it stands to the published run comes first and asks nobody; then all is looked up and
    checked as a run would do it; configurations are read (and fetched from the hub), weights are not. What
    would stop a run before it loads weights is added to `problems`, and the other sections are told all the
    same. Raises UserError where the style cannot do what the dataset asks for.
    """
    run.benchmark.check_style(run.style)
    values = [[name, str(value), run.origins[name]] for name, value in run.settings.values().items()]
    yield format_table(["setting", "value", "origin"], values)
    yield describe_reproduction(run)
    for check in checks_before_work(run, plan_runs(run.settings, run.origins, run.folder), current_rank()):
        try:
            check()
        except UserError as error:
            _note(error, problems)
    for section in (_devices, _prompts, _tools, _graders, _questions, _agents, describe_memory):
        try:
            yield from section(run)
        except UserError as error:
            _note(error, problems)
    yield "No weights were loaded."


def _note(error: UserError, problems: list[str]) -> None:
    if str(error) not in problems:  # more than one check or section may need the same
        problems.append(str(error))


def _devices(run: PreparedRun) -> Iterator[str]:
    model = run.settings.model
    devices = resolve_devices(model.device, run.style)
    yield format_table(["agent", "device"], [[role, str(device)] for role, device in devices.items()])
    backend = choose_backend(devices, model.dtype, **model.computing())
    yield f"models are run by {backend.name}: {backend.why}"


def _prompts(run: PreparedRun) -> Iterator[str]:
    described = run.prompts.describe()
    words = (
        ""
        if described["origin"] == "published"
        else "; not the words that published checkpoints were trained on"
    )
    origin, name = described["origin"], described["name"]
    which = origin if name == origin else f"{origin} {name}"
    yield f"prompts: {which} (sha256 {described['sha256'][:12]}){words}"
    if own := described.get("system_prompt"):
        yield f"system prompts of your own: {', '.join(own)}"


def _tools(run: PreparedRun) -> Iterator[str]:
    yield from _describe_tools(run.toolbox, writing_agents(run.style, run.settings.solve.passes))


def _graders(run: PreparedRun) -> Iterator[str]:
    graders = run.graders.describe()
    yield f"graded by {', '.join(graders['names'])}{_isolation(graders)}"


def _questions(run: PreparedRun) -> Iterator[str]:
    commit = run.questions.commit
    at = f" at commit {commit}" if commit else ""
    yield f"{len(run.questions)} questions of {run.benchmark.name}{at}"


def _agents(run: PreparedRun) -> Iterator[str]:
    """Agents, their files, how the answer is sampled, and what all takes."""
    settings, style, paths, model = run.settings, run.style, run.files, run.settings.model
    outlines = run.outlines
    check_dimensions(paths, outlines)
    models = {role: (files.model_dir, outlines[role]) for role, files in paths.agents.items()}
    check_models(model.attn, model.quantization, resolve_dtype(model.dtype), models)
    check_movable(model.offload, outlines)
    configs = {role: outline.config for role, outline in outlines.items()}
    weights = format_sizes([paths.weight_bytes(role) for role in paths.agents])
    agents = [
        [
            role,
            files.repo_id,
            files.revision or "-",
            str(configs[role].hidden_size),
            str(configs[role].dtype) if model.dtype == "auto" else model.dtype,
            size,
        ]
        for (role, files), size in zip(paths.agents.items(), weights, strict=True)
    ]
    yield format_table(["agent", "repository", "revision", "hidden size", "dtype", "weights"], agents)
    yield format_table(["file of", "place"], _places(style, paths))
    yield _describe_sampling(settings.solve.sampling, style, outlines)
    yield f"release {paths.source}; {describe_files(paths)}"


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


def _describe_tools(toolbox: Toolbox | None, writing: Sequence[AgentSpec]) -> Iterator[str]:
    """The tools of the agents that write, each with what decides its answers; nothing where there is none."""
    if toolbox is None:
        return
    described = toolbox.describe()
    max_calls = described.pop("max_calls")
    rows = [
        [
            name,
            ", ".join(agent.role for agent in writing if name in agent.tools),
            ", ".join(f"{key} {value}" for key, value in tool.items() if value is not None),
        ]
        for name, tool in described.items()
    ]
    table = format_table(["tool", "agents", "settings"], rows)
    yield f"{table}\nup to {max_calls} call{'s' * (max_calls != 1)} in a text"


def _place(path: object) -> str:
    return "untrained" if path is None else str(path)


def _describe_sampling(settings: SamplingSettings, style: Style, outlines: Mapping[str, Outline]) -> str:
    """How the answering agent's text is sampled once its model's own defaults are filled in."""
    sampling = settings.resolve(outlines[style.answering_role].generation)
    if sampling.greedy:
        return f"{style.answering_role} writes greedily, repetition_penalty {sampling.repetition_penalty}"
    shown = ", ".join(f"{name} {value}" for name, value in asdict(sampling).items() if name != "greedy")
    return f"{style.answering_role} samples with {shown} (its generation_config.json fills what is not set)"

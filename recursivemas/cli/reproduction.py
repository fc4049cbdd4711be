"""How a planned run stands to the published one: its figure, its settings, and what differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields

from recursivemas.benchmarks import find_benchmark
from recursivemas.prompts import are_published, name_prompts
from recursivemas.report.published import by_rounds, single_run
from recursivemas.settings import RunSettings
from recursivemas.settings.recommended import find_row, recommended
from recursivemas.styles import PUBLISHED_STYLES, Style

MONTHS = {"june": "June 2026", "april": "April 2026"}
UNCOMPARED = ("style", "dataset", "mode", "role", "recommended", "release_quirks", "prompts")
"""Settings that decide what is compared with, or are told in words of their own."""
AS_PUBLISHED = {"trust_remote_code", "save_latents", "allow_unisolated_code", "judge_model", "judge_base_url"}
"""Settings that leave the published column of verdicts as it is."""


def describe_reproduction(settings: RunSettings, style: Style) -> str:
    """The published figure, the row that settings came from, and a line a departure."""
    departures = [f"  {line}" for line in _departures(settings, style)]
    return "\n".join(
        [
            f"published: {_figure(settings)}",
            f"settings row: {_row(settings)}",
            "what differs from the published run:"
            if departures
            else "nothing that is set differs from the published run",
            *departures,
        ]
    )


def _figure(settings: RunSettings) -> str:
    metric = find_benchmark(settings.dataset).metric
    figure = single_run(settings.style, settings.dataset)
    rounds = settings.num_recursive_rounds
    paper = by_rounds(settings.style, settings.dataset, rounds)
    parts = [f"{metric} {figure}% (the release's single run)"] if figure is not None else []
    if paper is not None:
        parts.append(
            f"the paper's Table 2 at {rounds} round{'s' * (rounds != 1)}: {paper.latent}% with latents, "
            f"{paper.text}% with text"
        )
    return "; ".join(parts) or f"no figure for {settings.style} on {settings.dataset}"


def _row(settings: RunSettings) -> str:
    row = find_row(settings.style, settings.dataset, settings.recommended)
    month = MONTHS[settings.recommended]
    if row is None:
        return f"{month} has none for {settings.style} on {settings.dataset}; built-in defaults hold"
    return f"{month}, {settings.style} on {settings.dataset}: {row}"


def _departures(settings: RunSettings, style: Style) -> Iterator[str]:
    """What is set otherwise than in the published run, then what only a switch brings."""
    if settings.style not in PUBLISHED_STYLES:
        yield f"style {style.name} is not a published one"
    published = {
        **{spec.name: spec.default for spec in fields(RunSettings) if not spec.metadata.get("neutral")},
        **recommended(settings.style, settings.dataset, settings.recommended),
        **(find_benchmark(settings.dataset).release_settings if settings.release_quirks else {}),
    }
    for name, value in asdict(settings).items():
        if (
            name in published
            and name not in UNCOMPARED
            and name not in AS_PUBLISHED
            and value != published[name]
        ):
            yield f"{name} is {value}, published: {published[name]}"
    if settings.mode != "latent":
        yield f"mode is {settings.mode}: a baseline"
    if settings.release != "hub":
        yield f"models come from {settings.release}, not from the hub"
    if not are_published(settings.prompts, settings.release):
        yield f"prompts are {name_prompts(settings.prompts, settings.release)}, not the published ones"
    if not settings.release_quirks:
        yield from _quirks_that_are_off(settings, style)


def _quirks_that_are_off(settings: RunSettings, style: Style) -> Iterator[str]:
    off = "--release_quirks is off"
    benchmark = find_benchmark(settings.dataset)
    yield f"{off}: an answer that is asked for again goes on in the same sequence, not from its bare text"
    if benchmark.task == "code":
        for agent in style.agents:
            if agent.release_feedback_kind:
                published = agent.release_feedback_kind
                yield f"{off}: the {agent.role}'s feedback prompt is that for code, not that for {published}"
    if settings.mode == "text" and any(agent.release_text for agent in style.agents):
        yield f"{off}: prompts and lengths of texts are not those of the published text baselines"
    for name, value in benchmark.release_settings.items():
        if getattr(settings, name) != value:
            yield f"{off}: {name} is {getattr(settings, name)}, not {value} whatever the flag says"

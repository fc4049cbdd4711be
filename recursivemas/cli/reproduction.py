"""How a planned run stands to the published one: its figure, its settings, and what differs."""

from __future__ import annotations

from collections.abc import Iterator

from recursivemas.errors import UserError
from recursivemas.prompts import PROMPT_NAMES, name_prompts
from recursivemas.report.published import by_rounds, single_run
from recursivemas.runs.prepare import PreparedRun
from recursivemas.settings import NEUTRAL, OPTIONS, RunSettings
from recursivemas.settings.recommended import find_row, recommended
from recursivemas.styles import PUBLISHED_STYLES

MONTHS = {"june": "June 2026", "april": "April 2026"}
UNCOMPARED = ("style", "dataset", "mode", "role", "recommended", "release_quirks", "prompts")
"""Settings that decide what is compared with, or are told in words of their own."""
AS_PUBLISHED = {
    "trust_remote_code",
    "save_latents",
    "lens",
    "allow_unisolated_code",
    "judge_model",
    "judge_base_url",
}
"""Settings that leave the published column of verdicts as it is."""


def describe_reproduction(run: PreparedRun) -> str:
    """The published figure, the row that settings came from, and a line a departure."""
    departures = [f"  {line}" for line in _departures(run)]
    return "\n".join(
        [
            f"published: {_figure(run)}",
            f"settings row: {_row(run.settings)}",
            "what differs from the published run:"
            if departures
            else "nothing that is set differs from the published run",
            *departures,
        ]
    )


def _figure(run: PreparedRun) -> str:
    settings, metric = run.settings, run.benchmark.metric
    figure = single_run(settings.model.style, settings.questions.dataset)
    rounds = settings.solve.num_recursive_rounds
    paper = by_rounds(settings.model.style, settings.questions.dataset, rounds)
    parts = [f"{metric} {figure}% (the release's single run)"] if figure is not None else []
    if paper is not None:
        parts.append(
            f"the paper's Table 2 at {rounds} round{'s' * (rounds != 1)}: {paper.latent}% with latents, "
            f"{paper.text}% with text"
        )
    return "; ".join(parts) or f"no figure for {settings.model.style} on {settings.questions.dataset}"


def _row(settings: RunSettings) -> str:
    model, dataset = settings.model, settings.questions.dataset
    row = find_row(model.style, dataset, model.recommended)
    month = MONTHS[model.recommended]
    if row is None:
        return f"{month} has none for {model.style} on {dataset}; built-in defaults hold"
    return f"{month}, {model.style} on {dataset}: {row}"


def _departures(run: PreparedRun) -> Iterator[str]:
    """What is set otherwise than in the published run, then what only a switch brings."""
    settings, model, solve = run.settings, run.settings.model, run.settings.solve
    if model.style not in PUBLISHED_STYLES:
        yield f"style {run.style.name} is not a published one"
    published = {
        **{name: option.default for name, option in OPTIONS.items() if name not in NEUTRAL},
        **recommended(model.style, run.benchmark, model.recommended),
        **(run.benchmark.release_settings if solve.release_quirks else {}),
    }
    for name, value in settings.values().items():
        if (
            name in published
            and name not in UNCOMPARED
            and name not in AS_PUBLISHED
            and value != published[name]
        ):
            yield f"{name} is {value}, published: {published[name]}"
    if solve.mode != "latent":
        yield f"mode is {solve.mode}: a baseline"
    if model.release != "hub":
        yield f"models come from {model.release}, not from the hub"
    if not _has_published_prompts(run):
        yield f"prompts are {name_prompts(model.prompts, model.release)}, not the published ones"
    if not solve.release_quirks:
        yield from _quirks_that_are_off(run)


def _has_published_prompts(run: PreparedRun) -> bool:
    """Told from the name, or a file that lies here: nothing is fetched."""
    name = name_prompts(run.settings.model.prompts, run.settings.model.release)
    if name in PROMPT_NAMES:
        return name == "published"
    try:
        return bool(run.prompt_source.describe()["origin"] == "published")
    except UserError:
        return False


def _quirks_that_are_off(run: PreparedRun) -> Iterator[str]:
    off = "--release_quirks is off"
    style, benchmark, given = run.style, run.benchmark, run.settings.values()
    yield f"{off}: an answer that is asked for again goes on in the same sequence, not from its bare text"
    if benchmark.task == "code":
        for agent in style.agents:
            if agent.release_feedback_kind:
                published = agent.release_feedback_kind
                yield f"{off}: the {agent.role}'s feedback prompt is that for code, not that for {published}"
    if run.settings.solve.passes == "text" and any(agent.release_text for agent in style.agents):
        yield f"{off}: prompts and lengths of texts are not those of the published text baselines"
    for name, value in benchmark.release_settings.items():
        if given[name] != value:
            yield f"{off}: {name} is {given[name]}, not {value} whatever the flag says"

"""What a run says on the terminal: settings with their origins, costs by agent and round, the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from recursivemas.hub import ReleaseFiles
from recursivemas.prompts import PromptPack
from recursivemas.settings import Origin, RunSettings
from recursivemas.styles import Style

STAGE_COLUMNS = {
    "round": "round",
    "role": "agent",
    "prompt_tokens": "tokens read",
    "latents_read": "latents read",
    "latent_steps": "latent steps",
    "generated_tokens": "tokens written",
    "seconds": "seconds",
}


def result_line(summary: Mapping[str, Any]) -> str:
    """The last line of a run, as scripts written for the release expect it."""
    headline = summary["headline"]
    return f"[result] {headline['metric']}={100 * headline['value']:.2f}%"


def format_summary(summary: Mapping[str, Any]) -> str:
    """Costs by round and agent, summed over the questions, then the counts."""
    rows = [
        [f"{stage[name]:.1f}" if name == "seconds" else str(stage[name]) for name in STAGE_COLUMNS]
        for stage in summary["stages"]
    ]
    headline = summary["headline"]
    counts = (
        f"{headline['correct']} of {headline['total']} correct by the {headline['grader']} grader; "
        f"{summary['num_unparsed']} without a readable answer, {summary['num_retried']} asked again, "
        f"{summary['num_errors']} not run; {summary['seconds']:.1f} s"
    )
    return f"{format_table(list(STAGE_COLUMNS.values()), rows)}\n{counts}"


def format_plan(
    settings: RunSettings,
    origins: Mapping[str, Origin],
    *,
    style: Style,
    paths: ReleaseFiles,
    hidden_sizes: Mapping[str, int],
    pack: PromptPack,
    num_questions: int,
) -> str:
    """Everything a run would use and where it comes from."""
    values = [[name, str(value), origins[name]] for name, value in asdict(settings).items()]
    agents = [
        [agent.role, files.repo_id, files.revision or "", str(hidden_sizes[agent.role]), str(files.model_dir)]
        for agent in style.agents
        for files in (paths.agents[agent.role],)
    ]
    inner = [[f"{role} (inner)", _place(files.inner_link)] for role, files in paths.agents.items()]
    outer = [
        [
            f"{link} ({'feedback' if link.feedback else 'forward'})",
            _place(paths.links[link.source, link.target].path),
        ]
        for link in style.links
    ]
    return "\n\n".join(
        [
            format_table(["setting", "value", "origin"], values),
            format_table(["agent", "repository", "revision", "hidden size", "folder"], agents),
            format_table(["link", "file"], [*inner, *outer]),
            f"release {paths.source}; prompt pack {pack.name} (sha256 {pack.sha256[:12]}); "
            f"{num_questions} questions of {settings.dataset}. Nothing was loaded.",
        ]
    )


def _place(path: object) -> str:
    return "untrained" if path is None else str(path)


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell, numbers to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join("-" * width for width in widths)]
    for row in [header, *rows]:
        cells = [
            cell.rjust(width) if cell.replace(".", "").isdigit() else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([lines[1], lines[0], *lines[2:]])

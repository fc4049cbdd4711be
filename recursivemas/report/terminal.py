"""What a run says on the terminal: costs by agent and round, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recursivemas.tables import format_table

STAGE_COLUMNS = {
    "round": "round",
    "role": "agent",
    "prompt_tokens": "tokens read",
    "latents_read": "latents read",
    "latent_steps": "latent steps",
    "generated_tokens": "tokens written",
    "result_tokens": "results read",
    "seconds": "seconds",
}

CALL_NOTES = {
    "stub": "there was no search: a stub answered",
    "failed": "failed: the tool itself did not work",
}


def result_line(summary: Mapping[str, Any]) -> str:
    """The last line of a run, as scripts written for the release expect it."""
    headline = summary["headline"]
    return f"[result] {headline['metric']}={100 * headline['value']:.2f}%"


def format_summary(summary: Mapping[str, Any]) -> str:
    """Costs by round and agent, summed over the questions, then the counts."""
    columns = {
        name: title for name, title in STAGE_COLUMNS.items() if name != "result_tokens" or summary["tools"]
    }
    rows = [
        [f"{stage[name]:.1f}" if name == "seconds" else str(stage[name]) for name in columns]
        for stage in summary["stages"]
    ]
    verdicts = ", ".join(
        f"{score['correct']} of {score['total']} by the {name} grader"
        for name, score in summary["metrics"].items()
    )
    counts = (
        f"correct: {verdicts}\n"
        f"{summary['num_unparsed']} without a readable answer, {summary['num_retried']} asked again, "
        f"{summary['num_errors']} not run, {summary['num_past_context']} past the model's context; "
        f"{summary['seconds']:.1f} s"
    )
    tools = [_describe_calls(name, tool) for name, tool in summary["tools"].items()]
    return "\n".join([format_table(list(columns.values()), rows), counts, *tools])


def _describe_calls(name: str, tool: Mapping[str, Any]) -> str:
    """One tool's calls in a line."""
    statuses = ", ".join(f"{count} {status}" for status, count in tool["status"].items())
    notes = "".join(f" ({note})" for status, note in CALL_NOTES.items() if status in tool["status"])
    return (
        f"{name}: {tool['calls']} call{'s' * (tool['calls'] != 1)}, {statuses}{notes}; "
        f"{tool['cached']} from the cache; {tool['seconds']:.1f} s"
    )

"""What a run says on the terminal: costs by agent and round, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from recursivemas.tables import format_table
from recursivemas.tools.base import Status

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

STATUSES: tuple[str, ...] = get_args(Status)
MAX_REASON_CHARACTERS = 200


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
        f"{score['correct']} of {score['total']} by the {name} grader{_undecided(score)}"
        for name, score in summary["metrics"].items()
    )
    counts = (
        f"correct: {verdicts}\n"
        f"{summary['num_unparsed']} without an answer that the {summary['headline']['grader']} grader reads, "
        f"{summary['num_retried']} asked again, "
        f"{summary['num_errors']} not run, {summary['num_past_context']} past the model's context; "
        f"{summary['seconds']:.1f} s"
    )
    tools = [_describe_calls(name, tool) for name, tool in summary["tools"].items()]
    return "\n".join([format_table(list(columns.values()), rows), counts, *tools])


def _undecided(score: Mapping[str, Any]) -> str:
    """How many answers a grader came to no verdict on, where there are any."""
    return f" ({score['undecided']} undecided)" if score.get("undecided") else ""


def _describe_calls(name: str, tool: Mapping[str, Any]) -> str:
    """One tool's calls in a line."""
    number, failure = tool["calls"], tool["commonest_failure"]
    counts = [f"{tool['status'][status]} {status}" for status in STATUSES if status in tool["status"]]
    parts = [", ".join([f"{number} call{'s' * (number != 1)}", *counts])]
    parts += [f"{tool['cached']} from the cache"] if tool["cached"] else []
    parts += [f"{tool['seconds']:.1f} s"] if number else []
    parts += ["there was no key: a stub answers all calls"] if tool.get("provider") == "stub" else []
    parts += [f"{failure['calls']} failed with: {_reason(failure['text'])}"] if failure else []
    return f"{name}: {'; '.join(parts)}"


def _reason(text: str) -> str:
    """How a reason begins, in one line. Servers may have written it: nothing in it steers the terminal."""
    line = " ".join(text.split())[:MAX_REASON_CHARACTERS]
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)

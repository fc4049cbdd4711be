"""What a run says on the terminal: costs by agent and round, and the result."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from recursivemas.output.screen import harmless
from recursivemas.output.tables import format_table
from recursivemas.runs.read import majority_of, with_interval
from recursivemas.runs.record import SampleRecord
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
MAX_EXAMPLE_CHARACTERS = 160


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
    counts = [
        f"correct: {verdicts}",
        *_majorities(summary),
        f"took {_duration(summary['seconds'])}",
        *_reading(summary),
        *_remarks(summary),
    ]
    tools = [_describe_calls(name, tool) for name, tool in summary["tools"].items()]
    return "\n".join([format_table(list(columns.values()), rows), *counts, *tools])


def _majorities(summary: Mapping[str, Any]) -> list[str]:
    """What the majority of several answers to a question is worth, by grader."""
    voted = {name: figures for name, score in summary["metrics"].items() if (figures := majority_of(score))}
    if not voted:
        return []
    number = next(iter(voted.values()))["k"]
    by_grader = ", ".join(f"{with_interval(figures)} by the {name} grader" for name, figures in voted.items())
    return [f"maj@{number}, percent: {by_grader}"]


def _reading(summary: Mapping[str, Any]) -> list[str]:
    """What reading took, where some of it was not needed."""
    positions = summary.get("positions", {"reused": 0})  # older runs did not count them
    if not positions["reused"]:
        return []
    computed, reused = positions["computed"], positions["reused"]
    return [f"computed {computed} positions that were read; {reused} more were kept from before"]


def _remarks(summary: Mapping[str, Any]) -> list[str]:
    """What was out of the ordinary, each with what it means."""
    grader = summary["headline"]["grader"]
    remarks = [
        (summary["num_unparsed"], f"without an answer that the {grader} grader reads"),
        (
            summary["num_retried"],
            "asked again: no answer could be read, so a cue was put behind the text and the agent wrote on",
        ),
        (summary["num_errors"], "not run: their errors are in samples.jsonl, and they count as wrong"),
        (summary["num_past_context"], "past the context that the answering model was made for"),
    ]
    return [f"{number} {meaning}" for number, meaning in remarks if number]


def format_example(sample: SampleRecord, folder: Path) -> str:
    """A sample in a few lines, and the command that shows all of it."""
    command = shlex.join([*_own_command(), "show", str(folder), "--id", sample.id])
    verdicts = ", ".join(
        f"{'correct' if verdict.correct else 'wrong'} by the {name} grader"
        for name, verdict in sample.verdicts.items()
    )
    answer = sample.error or sample.text
    lines = [
        f"for example {sample.id}: {_in_a_line(sample.question, MAX_EXAMPLE_CHARACTERS)}",
        f"  {'not run' if sample.error else 'answer'}: {_in_a_line(answer, MAX_EXAMPLE_CHARACTERS)}",
        f"  gold: {_in_a_line(sample.gold, MAX_EXAMPLE_CHARACTERS)}; {verdicts}",
        f"  step by step: {command}",
    ]
    return "\n".join(map(harmless, lines))


def _own_command() -> list[str]:
    """`recursivemas` where a shell finds it, else the Python that runs this, by the path that is shorter."""
    if shutil.which("recursivemas"):
        return ["recursivemas"]
    python, here = Path(sys.executable), Path.cwd()
    python = python.relative_to(here) if python.is_relative_to(here) else python
    return [str(python), "-m", "recursivemas"]


def _duration(seconds: float) -> str:
    """Wall clock, with what people count in where it is long."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


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
    return harmless(" ".join(text.split())[:MAX_REASON_CHARACTERS])


def _in_a_line(text: str, length: int) -> str:
    """A text's beginning and end in one line of so many characters at most."""
    line = " ".join(text.split())
    half = (length - 5) // 2
    return line if len(line) <= length else f"{line[:half]} ... {line[-half:]}"

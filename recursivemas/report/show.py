"""One question of a run, step by step: what agents passed on, what they called, what was written."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError, near_or_some
from recursivemas.output.screen import harmless
from recursivemas.output.tables import format_table
from recursivemas.recursion.trace import StageUsage
from recursivemas.release.names import short_name
from recursivemas.runs.files import SAMPLES, num_expected, read_config
from recursivemas.runs.record import SampleRecord
from recursivemas.runs.shared import iterate_finished
from recursivemas.tools import ToolCall, as_block

BAR = "    │ "
LEAST_WIDTH = 20
"""What is left of a result's line, however narrow the terminal is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show one question of a run: rounds, messages, tool calls and the text."
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder, finished or not")
    parser.add_argument("--id", metavar="ID", help="the question's id (default: the run's first)")
    parser.add_argument("--rollout", type=int, default=0, metavar="N", help="which answer (default: 0)")


def run(arguments: Mapping[str, Any]) -> None:
    """`recursivemas show RUN --id ID`."""
    text = harmless(show(arguments["run"], arguments["id"], arguments["rollout"]))
    print(_fit(text, shutil.get_terminal_size().columns) if sys.stdout.isatty() else text)


def show(path: Path, question_id: str | None = None, rollout: int = 0) -> str:
    """A sample of the run in that folder as text to be read; raises UserError where there is none such."""
    config = read_config(path)
    sample, first = _find(path, num_expected(config), question_id, rollout)
    settings = {name: row["value"] for name, row in config["settings"].items()}
    seed = "unknown" if sample.seed is None else sample.seed
    title = f"question {sample.id}, rollout {sample.rollout} (seed {seed})"
    release = short_name(settings.get("release", "hub"))
    system = config["style"]["name"] + (f" (release {release})" if release else "")
    where = f"{system} on {settings.get('dataset')}, in {path.resolve().name}"
    parts = [f"{title}\n{where}", sample.question.rstrip(), f"gold: {sample.gold}"]
    if sample.error:
        return "\n\n".join([*parts, *_passages(first), f"not run: {sample.error}"])
    parts += [_rounds(first, sample), *_messages(first), *_passages(first)]
    parts += [_heading("answer"), _transcript(sample.text, sample.tool_calls), _outcome(sample)]
    return "\n\n".join(parts)


def _find(
    path: Path, expected: int, question_id: str | None, rollout: int
) -> tuple[SampleRecord, SampleRecord]:
    """The sample, and the question's first: what came before the answer stands with that one.

    `expected` is how many answers the run has in the end. It is gone through without being kept: it may be
    larger than the memory.
    """
    rollouts: dict[int, SampleRecord] = {}
    ids: dict[str, None] = {}
    count = 0
    for sample in iterate_finished(path):
        count += 1
        wanted = question_id if question_id is not None else next(iter(ids), sample.id)
        ids[sample.id] = None
        if sample.id == wanted:
            rollouts[sample.rollout] = sample
    if not ids:
        raise UserError(f"{path / SAMPLES} holds no answers yet; show a run when its first batch is done")
    if not rollouts:
        asked = str(question_id)
        there = f"has no question {asked!r}"
        if count < expected:
            there = f"is unfinished ({count} of {expected} answers) and has none to a question {asked!r} yet"
        raise UserError(f"the run in {path} {there}; {near_or_some(asked, ids)}")
    for wanted_rollout in (rollout, 0):
        if wanted_rollout not in rollouts:
            yet = f" yet: the run is unfinished ({count} of {expected} answers)" if count < expected else ""
            raise UserError(
                f"question {wanted!r} has no rollout {wanted_rollout}{yet}; it has "
                f"{min(rollouts)} to {max(rollouts)}"
            )
    return rollouts[rollout], rollouts[0]


def _fit(text: str, width: int) -> str:
    """The text with the lines of results, wrapped to so many columns, behind the bar."""
    wrapper = textwrap.TextWrapper(
        width=max(width - len(BAR), LEAST_WIDTH), tabsize=4, break_on_hyphens=False
    )
    lines: list[str] = []
    for line in text.split("\n"):
        parts = wrapper.wrap(line.removeprefix(BAR)) if line.startswith(BAR) else []
        lines += [f"{BAR}{part}" for part in parts] or [line]
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------------------
# What happened before the answer


def _rounds(first: SampleRecord, sample: SampleRecord) -> str:
    """A line a turn; the answer's own is that of the rollout which is shown."""
    usage = {(row.round, row.role): row for row in (*first.usage, *sample.usage)}
    rows = [[str(row.round), row.role, *_reads(row), f"{row.seconds:.2f}"] for row in usage.values()]
    return format_table(["round", "agent", "reads", "does", "share of the batch's seconds"], rows)


def _reads(usage: StageUsage) -> tuple[str, str]:
    read = [f"{usage.prompt_tokens} tokens"] if usage.prompt_tokens else ["the same prompt"]
    read += [f"{usage.latents_read} latents"] if usage.latents_read else []
    read += [f"{usage.result_tokens} tokens of results"] if usage.result_tokens else []
    done = [f"thinks {usage.latent_steps} steps"] if usage.latent_steps else []
    done += [f"writes {usage.generated_tokens} tokens"] if usage.generated_tokens else []
    return ", ".join(read), ", ".join(done) or "writes nothing"


def _messages(sample: SampleRecord) -> Iterator[str]:
    """The latent messages: their shapes [L, D_target], and the mean length of their latents."""
    rows = [
        [*name.partition("/")[::2], " x ".join(map(str, size.shape)), f"{size.norm:.3g}"]
        for name, size in sample.messages.items()
    ]
    if rows:
        yield format_table(["round", "message", "latents x hidden size", "mean norm"], rows)


def _passages(sample: SampleRecord) -> Iterator[str]:
    """What agents passed on as text."""
    for name, passage in sample.passages.items():
        yield _heading(name)
        yield _transcript(passage.text, passage.tool_calls)


# ---------------------------------------------------------------------------------------------------------
# The text


def _transcript(text: str, calls: Sequence[ToolCall]) -> str:
    """The text with each result set apart, and beside it how the call went."""
    parts, position = [], 0
    for call in calls:
        result = call.end - len(as_block(call.result))
        parts += [text[position:result].strip(), _call(call)]
        position = call.end
    parts.append(text[position:].strip())
    return "\n\n".join(part for part in parts if part)


def _call(call: ToolCall) -> str:
    cached = ", from the cache" if call.cached else ""
    head = f"    ┌ {call.tool}: {call.status}, {call.seconds:.2f} s{cached}"
    return "\n".join([head, *(f"{BAR}{line}" for line in call.result.splitlines()), "    └"])


def _outcome(sample: SampleRecord) -> str:
    verdicts = [
        f"{name}: {'correct' if verdict.correct else 'wrong'} ({verdict.error or verdict.how})"
        for name, verdict in sample.verdicts.items()
    ]
    notes = [f"ended by {sample.ended_by}"]
    notes += ["asked again"] if sample.retried else []
    notes += ["past the model's context"] if sample.past_context else []
    read = "none could be read" if sample.extracted is None else sample.extracted
    return "\n".join([f"read as the answer: {read}", *verdicts, "; ".join(notes)])


def _heading(text: str) -> str:
    return f"── {text} {'─' * (60 - len(text))}"

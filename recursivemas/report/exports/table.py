"""A run as a flat table, a row an answer, for pandas and for whatever else reads CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from recursivemas.files.whole import written_whole
from recursivemas.report.exports.source import Source
from recursivemas.runs.flat import flat_row
from recursivemas.runs.read import Run

COLUMNS: Mapping[str, str] = {
    "run": "the run folder's name",
    "style": "the style's name",
    "benchmark": "the benchmark, or the question file's name",
    "mode": "`latent`, `text`, or `single: ROLE`",
    "rounds": "how many rounds there are",
    "latent_length": "latent steps a turn; 0 where no latents are passed on",
    "id": "the question's id",
    "rollout": "which answer to it, from 0 on",
    "seed": "the rollout's own; empty in runs of older versions",
    "question": "the question as it was asked",
    "gold": "the right answer",
    "text": "the answer as written, with tools' results in it",
    "answer": "what the headline's grader read as the answer; empty where it found none",
    "ended_by": "`stop`, `length` or `calls`; empty where the question could not be run",
    "retried": "whether the answer was asked for again",
    "past_context": "whether it ran past the model's context",
    "error": "why the question could not be run; empty where it could",
    "tool_calls": "how many calls there were, those in texts that were passed on among them",
    "messages": "how many latent messages there were; like the next two, with a question's rollout 0",
    "passages": "how many texts were passed on",
    "passage_characters": "their length",
    "question_characters": "the question's length",
    "text_characters": "the answer's length",
    "prompt_tokens": "tokens read, by all agents in all rounds; turns before the answer count with rollout 0",
    "latents_read": "positions that messages filled",
    "latent_steps": "steps thought",
    "generated_tokens": "tokens written",
    "result_tokens": "tokens read from tools",
    "seconds": "seconds of agents at work or waiting for tools: the question's share of its batch's",
    "positions_computed": "of what was read, the positions that models ran",
    "positions_reused": "those that were kept from before",
    "started": "when the first of its turns began; empty in runs of older versions",
    "recorded": "when it had been graded; empty in runs of older versions",
}
"""The columns that every table has, and what they hold."""
GRADER_COLUMNS: Mapping[str, str] = {
    "correct": "the verdict",
    "answer": "what this grader read as the answer; empty where it found none",
    "unread": "whether it found none",
    "undecided": "whether it came to no verdict; that counts as not correct",
    "score": "a finer measure from 0 to 1; empty where it has none",
    "why": "what decided, in words",
}
"""Behind them, for each grader: `release_correct`, `release_answer`, ..."""


def write_table(source: Source, output: Path) -> None:
    """Write the run as CSV in UTF-8; a row at a time, so that the run may be larger than the memory.

    All texts are quoted, also empty ones, and numbers are not. Raises OSError where it cannot be written.
    """
    with written_whole(output) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow(columns(source.run))
        for sample in source.samples():
            row = flat_row(source.run, sample)
            writer.writerow(["" if row[name] is None else row[name] for name in columns(source.run)])
        text.detach()  # it would close the file before it is in its place


def columns(run: Run) -> list[str]:
    """The names of the columns of a run's table, in order."""
    return [*COLUMNS, *(f"{grader}_{name}" for grader in run.graders for name in GRADER_COLUMNS)]

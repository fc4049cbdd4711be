"""A sample as one flat row, for tables."""

from __future__ import annotations

from typing import Any

from recursivemas.runs.metrics import COSTS, POSITIONS
from recursivemas.runs.read import Run
from recursivemas.runs.record import SampleRecord


def flat_row(run: Run, sample: SampleRecord) -> dict[str, Any]:
    """Which run it is, the sample's fields, what each grader found, and what all its turns took, by column.

    `answer` is what the headline's grader read, None where it found none. Of each grader there are
    `{grader}_correct`, `{grader}_answer`, `{grader}_unread` (it found none), `{grader}_undecided` (it came to
    no verdict), `{grader}_score` and `{grader}_why`. Tokens, latents, positions and seconds are those of the
    metrics; what was spent before the answer stands with a question's first rollout. `started`, when the
    first of its turns began, and `recorded`, when it had been graded, are None in runs of older versions.
    """
    row: dict[str, Any] = {
        "run": run.label,
        "style": run.style,
        "benchmark": run.benchmark,
        "mode": run.mode,
        "rounds": run.rounds,
        "latent_length": run.latent_length or 0,
        "id": sample.id,
        "rollout": sample.rollout,
        "seed": sample.seed,
        "question": sample.question,
        "gold": sample.gold,
        "text": sample.text,
        "answer": sample.extracted,
        "ended_by": sample.ended_by,
        "retried": sample.retried,
        "past_context": sample.past_context,
        "error": sample.error,
        "tool_calls": sum(1 for _ in sample.all_tool_calls),
        "messages": len(sample.messages),
        "passages": len(sample.passages),
        "passage_characters": sum(len(passage.text) for passage in sample.passages.values()),
        "question_characters": len(sample.question),
        "text_characters": len(sample.text),
    }
    row |= {cost: sum(getattr(usage, cost) for usage in sample.usage) for cost in (*COSTS, *POSITIONS)}
    row["started"] = min((usage.started for usage in sample.usage if usage.started), default=None)
    row["recorded"] = sample.recorded
    for name, verdict in sample.verdicts.items():
        row[f"{name}_correct"] = verdict.correct
        row[f"{name}_answer"] = verdict.answer
        row[f"{name}_unread"] = sample.error is None and verdict.answer is None
        row[f"{name}_undecided"] = verdict.error is not None
        row[f"{name}_score"] = verdict.score
        row[f"{name}_why"] = verdict.error or verdict.how
    return row

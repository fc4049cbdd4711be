"""A sample as one flat row, for tables."""

from __future__ import annotations

from typing import Any

from recursivemas.runs.metrics import COSTS
from recursivemas.runs.record import SampleRecord


def flat_row(sample: SampleRecord) -> dict[str, Any]:
    """The sample's fields, what each grader found, and what all its turns took, by column.

    `{grader}_correct`, `{grader}_read` (the answer that it read, None where it found none) and
    `{grader}_why`; tokens, latents and seconds are those of the metrics. What was spent before the answer
    stands with a question's first rollout.
    """
    row: dict[str, Any] = {
        "id": sample.id,
        "rollout": sample.rollout,
        "seed": sample.seed,
        "question": sample.question,
        "gold": sample.gold,
        "text": sample.text,
        "extracted": sample.extracted,
    }
    for name, verdict in sample.verdicts.items():
        row[f"{name}_correct"] = verdict.correct
        row[f"{name}_read"] = verdict.answer
        row[f"{name}_why"] = verdict.error or verdict.how
    row |= {cost: sum(getattr(usage, cost) for usage in sample.usage) for cost in COSTS}
    return row | {
        "tool_calls": sum(1 for _ in sample.all_tool_calls),
        "ended_by": sample.ended_by,
        "retried": sample.retried,
        "past_context": sample.past_context,
        "error": sample.error,
    }

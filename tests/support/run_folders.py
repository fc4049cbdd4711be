"""Run folders written by hand, as an evaluation leaves them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recursivemas.grading import Grade
from recursivemas.recursion.trace import StageUsage
from recursivemas.runs.files import CONFIG, SAMPLES, SUMMARY
from recursivemas.runs.record import SampleRecord
from recursivemas.settings import resolve_settings

Verdicts = Mapping[str, Sequence[Sequence[bool]]]
"""Grader -> question -> rollout -> whether it was right."""


def write_run(
    path: Path,
    verdicts: Verdicts | Sequence[bool],
    *,
    first_question: int = 0,
    tokens: int = 50,
    seconds: float = 0.5,
    platform: str = "Linux",
    metric: str = "accuracy",
    finished: bool = True,
    **explicit: Any,
) -> Path:
    """A run of questions q0, q1, ... (from `first_question` on), with one usage row a sample.

    `verdicts` may be the release grader's alone, one answer a question. `explicit` are settings.
    """
    if not isinstance(verdicts, Mapping):
        verdicts = {"release": [[correct] for correct in verdicts]}
    rows = next(iter(verdicts.values()))
    explicit = {"num_rollouts": len(rows[0]), "release": "toy-random", **explicit}
    settings, _ = resolve_settings(explicit)
    config = config_of(len(rows), platform=platform, **explicit)
    samples = [
        _sample(f"q{first_question + number}", number, rollout, verdicts, settings, tokens, seconds)
        for number, row in enumerate(rows)
        for rollout in range(len(row))
    ]
    path.mkdir(parents=True)
    (path / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    write_samples(path, samples)
    if finished:
        headline = {"grader": next(iter(verdicts)), "metric": metric}
        (path / SUMMARY).write_text(json.dumps({"headline": headline}), encoding="utf-8")
    return path


def add_votes(path: Path, votes: Mapping[str, Sequence[float]]) -> None:
    """Put into a run's summary what the majority of the first 1, 2, ... answers is worth, by grader."""
    summary = json.loads((path / SUMMARY).read_text(encoding="utf-8"))
    summary["metrics"] = {
        grader: {
            "majority_at": {str(k): value for k, value in enumerate(values, start=1)},
            "majority_at_interval_95": {
                str(k): [value - 0.1, value + 0.1] for k, value in enumerate(values, start=1)
            },
        }
        for grader, values in votes.items()
    }
    (path / SUMMARY).write_text(json.dumps(summary), encoding="utf-8")


def config_of(num_questions: int, *, platform: str = "Linux", **explicit: Any) -> dict[str, Any]:
    """A run's record with these settings."""
    settings, origins = resolve_settings(explicit)
    return {
        "settings": {
            name: {"value": value, "origin": origins[name]} for name, value in settings.values().items()
        },
        "style": {"name": settings.model.style, "agents": [{"role": settings.solve.role or "solver"}]},
        "agents": {},
        "questions": {"number": num_questions},
        "platform": platform,
        "accelerator": None,
    }


def write_samples(path: Path, samples: Iterable[SampleRecord]) -> None:
    """The run's samples, over what is there."""
    lines = (json.dumps(sample.to_json()) + "\n" for sample in samples)
    (path / SAMPLES).write_text("".join(lines), encoding="utf-8")


def without_times(row: dict[str, Any]) -> dict[str, Any]:
    """A sample as its line has it, without what differs from one time to the next: when, and how long."""

    def stripped(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**entry, "seconds": None, "started": None, "ended": None} for entry in entries]

    return {
        **row,
        "recorded": None,
        "usage": stripped(row["usage"]),
        "tool_calls": stripped(row["tool_calls"]),
    }


def sample_of(question: str, rollout: int = 0, /, **fields: Any) -> SampleRecord:
    """A sample that was right at once, but for these fields."""
    usual = {
        "seed": 42,
        "question": f"What is {question}?",
        "gold": "1",
        "text": "1",
        "extracted": "1",
        "verdicts": {"release": grade_of(True)},
        "ended_by": "stop",
        "usage": (),
    }
    return SampleRecord(id=question, rollout=rollout, **{**usual, **fields})


def grade_of(correct: bool, extracted: str | None = "1", how: str = "equal", **fields: Any) -> Grade:
    return Grade(correct=correct, extracted=extracted, how=how, **fields)


def _sample(
    question: str,
    number: int,
    rollout: int,
    verdicts: Verdicts,
    settings: Any,
    tokens: int,
    seconds: float,
) -> SampleRecord:
    solve = settings.solve
    latents = solve.latent_length * solve.num_recursive_rounds if solve.mode == "latent" else 0
    usage = StageUsage(
        round=1,
        role="solver",
        prompt_tokens=100,
        latents_read=latents,
        latent_steps=latents,
        generated_tokens=tokens,
        seconds=seconds,
    )
    grades = {name: grade_of(rows[number][rollout]) for name, rows in verdicts.items()}
    return sample_of(question, rollout, verdicts=grades, usage=(usage,))

"""What the page shows of a run: facts on the run, a row a question, and the details of each answer.

A run is gone through once. Of an answer only its row stays readable; the details are packed as they come, to
be unpacked by the page when somebody opens the question.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from recursivemas.recursion.trace import StageUsage
from recursivemas.recursion.transcript import parts_of
from recursivemas.report.compare import difference_cells
from recursivemas.report.page.figures import message_figures
from recursivemas.runs.files import LATENTS, LENS
from recursivemas.runs.intervals import PairedDifference
from recursivemas.runs.latents import read_messages
from recursivemas.runs.lens import read_lenses
from recursivemas.runs.metrics import StageCosts
from recursivemas.runs.read import Run, with_interval
from recursivemas.runs.record import SampleRecord
from recursivemas.runs.so_far import RunSoFar

Json = dict[str, Any]


class RunContents(RunSoFar):
    """A run's contents as its samples come, finished or not. Raises UserError where the folder holds no run.

    `entries` are the questions by id, in the order in which they came, `details` the packed details of each
    answer, which entries point to by number.
    """

    def __init__(self, path: Path, label: str) -> None:
        super().__init__(path, label)
        self.entries: dict[str, Json] = {}
        self.details: list[str] = []
        self._stages = StageCosts()

    def add(self, sample: SampleRecord) -> None:
        """Take in an answer. Raises UserError for one without the verdicts that the others have."""
        super().add(sample)
        self._stages.add(sample)
        entry = self.entries.setdefault(
            sample.id, {"id": sample.id, "question": sample.question, "gold": sample.gold, "answers": []}
        )
        entry["answers"].append(self._answer(sample, len(self.details)))
        entry["answers"].sort(key=lambda answer: answer["rollout"])
        entry |= _state_of(entry["answers"], any_counts=self.headline["metric"].startswith("pass@"))
        self.details.append(pack(details_of(self.path, sample)))

    def facts(self) -> Json:
        """What the page says of the run as a whole."""
        run = self.run
        settings = self.config["settings"].items()
        return {
            "label": self.label,
            "style": run.style,
            "release": run.release,
            "benchmark": run.benchmark,
            "mode": run.mode,
            "rounds": run.rounds,
            "latent_length": run.latent_length,
            "metric": run.metric,
            "started": str(self.config.get("started", "")),
            "finished": self.is_finished,
            "answers": len(self.outcomes),
            "expected": self.num_expected,
            "questions": len(self.entries),
            "failed": run.num_errors,
            "graders": run.graders if self.outcomes else [],
            "scores": [_score(run, grader) for grader in run.graders] if self.outcomes else [],
            "stages": [_rounded(stage) for stage in self._stages.rows()],
            "settings": [
                [name, json.dumps(row["value"], ensure_ascii=False), row["origin"]]
                for name, row in settings
                if row["origin"] != "default" and name != "output_dir"
            ],
            "departures": run.departures(),
            "agents": [
                [role, run.models[role], str(agent.get("dtype", "")).removeprefix("torch.")]
                for role, agent in self.config["agents"].items()
            ],
            "has_latents": (self.path / LATENTS).is_dir(),
            "has_lens": (self.path / LENS).is_dir(),
        }

    def _answer(self, sample: SampleRecord, number: int) -> Json:
        verdicts = {name: verdict.correct for name, verdict in sample.verdicts.items()}
        outcome = self.outcomes[-1]
        return {
            "rollout": sample.rollout,
            "details": number,
            "read": sample.extracted,
            "verdicts": verdicts,
            "right": verdicts[self.headline["grader"]],
            "unread": outcome.unread[self.headline["grader"]],
            "failed": outcome.failed,
            "tokens": sum(usage.generated_tokens for usage in sample.usage),
            "seconds": round(sum(usage.seconds for usage in sample.usage), 3),
        }


def _state_of(answers: list[Json], *, any_counts: bool) -> Json:
    """What filters and sorting look at, of a question with these answers; `any_counts` for pass@k."""
    right = [answer["right"] for answer in answers]
    return {
        "share": float(any(right)) if any_counts else fmean(right),
        "disagree": any(len(set(answer["verdicts"].values())) > 1 for answer in answers),
        "unread": any(answer["unread"] for answer in answers),
        "failed": any(answer["failed"] for answer in answers),
        "tokens": sum(answer["tokens"] for answer in answers),
        "seconds": round(sum(answer["seconds"] for answer in answers), 3),
    }


def _score(run: Run, grader: str) -> Json:
    score = run.score(grader)
    return {
        "grader": grader,
        "text": with_interval(score),
        "correct": score["correct"],
        "total": score["total"],
        "undecided": score["undecided"],
        "unread": score["unparsed"]["count"],
    }


def _turn(usage: StageUsage) -> Json:
    """What a turn took; the page does not say when it was."""
    fields = _rounded(asdict(usage))
    return {name: value for name, value in fields.items() if name not in ("started", "ended")}


def _rounded(stage: Mapping[str, Any]) -> Json:
    return {**stage, "seconds": round(stage["seconds"], 2)}


def note_changes(contents: RunContents, other: RunContents) -> None:
    """Note in a run's entries where it did better or worse than the other, or did what that did not."""
    for id_, entry in contents.entries.items():
        before = other.entries.get(id_)
        if before is None:
            entry["change"] = "new"
        elif entry["share"] != before["share"]:
            entry["change"] = "better" if entry["share"] > before["share"] else "worse"


def differences(differences: Mapping[str, PairedDifference]) -> list[Json]:
    """A run's differences against another, by grader, as cells to be read."""
    names = ("better", "worse", "points", "interval", "p")
    return [
        {"grader": grader, **dict(zip(names, difference_cells(difference), strict=True))}
        for grader, difference in differences.items()
    ]


# ---------------------------------------------------------------------------------------------------------
# One answer


def details_of(path: Path, sample: SampleRecord) -> Json:
    """All that the page shows of an answer, with the figures of the messages that the run has kept."""
    return {
        "seed": sample.seed,
        "parts": parts_of(sample.text, sample.tool_calls),
        "verdicts": [
            {
                "grader": name,
                "correct": verdict.correct,
                "read": verdict.answer,
                "score": _finite(verdict.score),
                "why": verdict.error or verdict.how,
                "undecided": verdict.error is not None,
            }
            for name, verdict in sample.verdicts.items()
        ],
        "ended_by": sample.ended_by,
        "retried": sample.retried,
        "past_context": sample.past_context,
        "error": sample.error,
        "usage": [_turn(usage) for usage in sample.usage],
        "messages": _messages(path, sample),
        "passages": {
            name: parts_of(passage.text, passage.tool_calls) for name, passage in sample.passages.items()
        },
    }


def _messages(path: Path, sample: SampleRecord) -> Json:
    kept = read_messages(path, sample.id) if sample.messages else {}
    lenses = read_lenses(path, sample.id) if sample.messages else {}
    found: Json = {}
    for name, size in sample.messages.items():
        found[name] = {"shape": size.shape, "norm": _finite(size.norm)}
        if name in kept:
            found[name] |= message_figures(kept[name], kept.get(_round_before(name)))
        if name in lenses:
            found[name]["lens"] = asdict(lenses[name])
    return found


def _round_before(name: str) -> str:
    """The name of what went over the same link a round before."""
    number, slash, link = name.partition("/")
    return f"r{int(number[1:]) - 1}{slash}{link}"


def _finite(number: float | None) -> float | None:
    """None for what JSON has no number for."""
    return number if number is not None and math.isfinite(number) else None


def pack(value: Json) -> str:
    """JSON, compressed, in letters that mean nothing to HTML; the same for the same value."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()

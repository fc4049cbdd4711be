"""A run that is to be exported: what it is, and its samples, gone through and not kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from recursivemas.errors import UserError
from recursivemas.output.redaction import redact_data
from recursivemas.runs.files import CONFIG, SAMPLES
from recursivemas.runs.lock import is_written
from recursivemas.runs.read import Run
from recursivemas.runs.record import SampleRecord
from recursivemas.runs.shared import iterate_finished
from recursivemas.runs.so_far import RunSoFar
from recursivemas.values import Moment, convert

State = Literal["finished", "going on", "broken off"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A run, finished or not, as far as it was when it was opened."""

    path: Path
    run: Run
    """Its outcomes, and what was set. Keys and passwords that are known here stand in it no more."""
    rollouts: Counter[str]
    """How many answers there are by question, in the order in which questions came."""
    num_expected: int
    """How many answers the run has in the end."""
    state: State

    @classmethod
    def open(cls, path: Path) -> Source:
        """Raises UserError where the folder holds no run, a damaged one, or no answer yet."""
        known = RunSoFar(path, path.resolve().name)
        rollouts: Counter[str] = Counter()
        for sample in iterate_finished(path):
            known.add(sample)
            rollouts[sample.id] += 1
        if not rollouts:
            raise UserError(
                f"{path / SAMPLES} holds no answers yet; export a run when its first batch is done"
            )
        going_on = is_written(path)
        return cls(
            path=path,
            run=replace(known.run, config=redact_data(known.config, urls=True)),
            rollouts=rollouts,
            num_expected=known.num_expected,
            state="finished" if known.is_finished else "going on" if going_on else "broken off",
        )

    def samples(self) -> Iterator[SampleRecord]:
        """The samples in order, without token ids, and without keys and passwords that are known here.

        Raises UserError where some that were there have gone meanwhile.
        """
        left = self.rollouts.copy()
        for sample in iterate_finished(self.path):
            if left[sample.id] > 0:
                left[sample.id] -= 1
                passages = {name: replace(one, token_ids=()) for name, one in sample.passages.items()}
                light = replace(sample, token_ids=(), passages=passages)
                yield replace(SampleRecord.from_json(light.to_json()), id=sample.id)
        if left.total():
            raise UserError(f"{self.path / SAMPLES} has changed while it was read; export it again")

    def extent(self) -> str:
        """How much there is, in words."""
        answers, questions = len(self.run.outcomes), len(self.rollouts)
        counted = (
            f"{answers} answers to {questions} questions" if answers > questions else f"{answers} answers"
        )
        if self.state == "finished":
            return counted
        return f"{counted}; the run is {self.state}, and has {self.num_expected} answers in the end"

    @property
    def started(self) -> datetime:
        """When the run was started first, by its record; by the record file's own time where it says none."""
        config = self.run.config
        launches = config.get("launches") or [{}]
        known = (_moment(config.get("started")), _moment(launches[0].get("started")))
        written = datetime.fromtimestamp((self.path / CONFIG).stat().st_mtime, UTC)
        return next((moment for moment in known if moment), written)

    @property
    def ended(self) -> datetime | None:
        """When its last launch ended; None where it has not finished, or where its record does not say."""
        launches: list[dict[str, Any]] = self.run.config.get("launches") or [{}]
        started = _moment(launches[-1].get("started"))
        if self.state != "finished" or started is None:
            return None
        return started + timedelta(seconds=launches[-1]["seconds"])

    @property
    def seconds(self) -> float | None:
        """Wall clock of all launches; None where its record does not say."""
        launches = self.run.config.get("launches")
        return sum(launch["seconds"] for launch in launches) if launches else None


def votes_of(run: Run) -> dict[str, dict[str, Any]]:
    """By grader what the majority of all answers is worth, as `Run.majority` has it, where it is known."""
    return {grader: voted for grader in run.graders if (voted := run.majority(grader))}


def _moment(text: Any) -> datetime | None:
    """A time as a record has it; None for what is none."""
    try:
        return datetime.fromisoformat(convert(Moment, text))
    except ValueError:
        return None

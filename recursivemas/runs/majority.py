"""Majority votes of several answers to a question, by grader, over a whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from recursivemas.grading.voting import Ballot, Same, majority
from recursivemas.question import Question
from recursivemas.runs.intervals import share_interval
from recursivemas.runs.record import SampleRecord


class Majorities:
    """Counts the votes of each question as soon as all its rollouts were added, in rollout order.

    `same` says by grader which answers vote together. With one rollout, or no graders, nothing is voted on.
    """

    def __init__(self, questions: Sequence[Question], num_rollouts: int, same: Mapping[str, Same]) -> None:
        self._questions = {question.id: question for question in questions}
        self._num_rollouts = num_rollouts
        self._same = same if num_rollouts > 1 else {}
        self._waiting: dict[str, list[SampleRecord]] = {}
        self._right: dict[str, list[list[bool]]] = {name: [] for name in self._same}

    def add(self, sample: SampleRecord) -> None:
        if not self._same:
            return
        together = self._waiting.setdefault(sample.id, [])
        together.append(sample)
        if len(together) == self._num_rollouts:
            self._count(self._questions[sample.id], self._waiting.pop(sample.id))

    def _count(self, question: Question, samples: Sequence[SampleRecord]) -> None:
        for name, same in self._same.items():
            verdicts = [sample.verdicts[name] for sample in samples]
            ballots = [
                Ballot(None if sample.error else verdict.answer, verdict.correct)
                for sample, verdict in zip(samples, verdicts, strict=True)
            ]
            self._right[name].append(majority(ballots, question, same))

    def figures(self, grader: str) -> dict[str, Any]:
        """`majority_at`: for each k the share of questions where the majority of the first k is right, with
        intervals over questions; empty where nothing was voted on."""
        rows = self._right.get(grader, [])
        if not rows:
            return {}
        by_k = {k: [float(row[k - 1]) for row in rows] for k in range(1, self._num_rollouts + 1)}
        return {
            "majority_at": {k: fmean(shares) for k, shares in by_k.items()},
            "majority_at_interval_95": {k: list(share_interval(shares)) for k, shares in by_k.items()},
        }

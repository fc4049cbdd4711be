"""How links do on rows that they have not learnt from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from recursivemas.grading import grade
from recursivemas.grading.extract import marked_answer
from recursivemas.question import CODE_KINDS, Question
from recursivemas.training.learners import InnerLearner, OuterLearner
from recursivemas.training.rows import TrainingRow

GRADER = "strict"
BATCH = 8


@torch.no_grad()
def evaluate_inner(learner: InnerLearner, rows: Sequence[TrainingRow]) -> dict[str, float]:
    """The loss on held-out rows, averaged over all their pairs; nothing where none of them can be read."""
    return _mean_loss(learner, rows)


@torch.no_grad()
def evaluate_outer(learner: OuterLearner, rows: Sequence[TrainingRow]) -> dict[str, float]:
    """The loss on held-out rows, and how many are answered right by the recursion itself, greedily.

    Answers are right by the strict grader. Where all rows are about code, which rows hold no tests for,
    there is the loss alone, and where none of them can be read no loss.
    """
    scores = _mean_loss(learner, rows)
    questions = [_with_gold(row.question) for row in rows if row.question.kind not in CODE_KINDS]
    if questions:
        settings = learner.settings
        solutions = learner.system.solve(
            questions,
            num_rounds=settings.num_recursive_rounds,
            latent_length=settings.latent_length,
            max_new_tokens=settings.eval_max_new_tokens,
            batch_size=BATCH,
            greedy=True,
            enable_thinking=settings.enable_thinking,
        )
        verdicts = [
            grade(solution.own_text, solution.question, (GRADER,))[GRADER].correct for solution in solutions
        ]
        scores["eval/accuracy"] = sum(verdicts) / len(verdicts)
    return scores


def is_better(scores: Mapping[str, Any], best: Mapping[str, Any]) -> bool:
    """More right answers, or as many at a lower loss."""
    order = [(one.get("eval/accuracy", 0.0), -one.get("eval/loss", math.inf)) for one in (scores, best)]
    return order[0] > order[1]


def _mean_loss(learner: InnerLearner | OuterLearner, rows: Sequence[TrainingRow]) -> dict[str, float]:
    outcomes = [
        learner.read(rows[start : start + BATCH], watched=False) for start in range(0, len(rows), BATCH)
    ]
    read = [one for one in outcomes if one is not None]
    if not read:
        return {}
    return {"eval/loss": sum(one.total.item() for one in read) / sum(one.count for one in read)}


def _with_gold(question: Question) -> Question:
    """The bare result of the answer's text, where it marks one, is what an answer is held against."""
    return replace(question, gold=marked_answer(question.gold) or question.gold)

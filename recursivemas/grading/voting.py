"""Which answers to a question are votes for the same result, and what a majority of them is worth.

Two answers vote together where the grader would take one for right if the other were the gold. The gold
itself has no part in it: votes are counted by what the answers say, and the winner is what is graded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from recursivemas.grading.judge import Judge, JudgeError
from recursivemas.grading.maths.pool import shared_pool
from recursivemas.grading.maths.reading import read_integer
from recursivemas.grading.release_comparing import MATH_READINGS, PHRASE_READINGS, find_match
from recursivemas.grading.search import exact_match
from recursivemas.grading.strict import grade_math
from recursivemas.question import Question

Same = Callable[[str, str, Question], bool]
"""(an answer as it was read, another one, the question) -> whether they say the same. Of answers that could
not be compared: no."""


@dataclass(frozen=True)
class Ballot:
    """What a grader read in a rollout's answer, None where it read none, and whether it was right."""

    answer: str | None
    correct: bool


def majority(ballots: Sequence[Ballot], question: Question, same: Same) -> list[bool]:
    """Whether the majority of the first k ballots is right, for each k from 1 on.

    A ballot votes with the first one that says the same. Of results with as many votes the one that was seen
    first wins, and its first ballot's verdict counts. Where nobody votes, nothing is right.
    """
    firsts: list[Ballot] = []
    votes: list[int] = []
    places: dict[str, int] = {}  # by spelling, so that no two texts are compared twice
    right = []
    for ballot in ballots:
        if ballot.answer is not None:
            if ballot.answer not in places:
                places[ballot.answer] = _place(ballot.answer, firsts, question, same)
            if places[ballot.answer] == len(firsts):
                firsts.append(ballot)
                votes.append(0)
            votes[places[ballot.answer]] += 1
        right.append(bool(votes) and firsts[votes.index(max(votes))].correct)
    return right


def _place(answer: str, firsts: Sequence[Ballot], question: Question, same: Same) -> int:
    """Where the answer's result stands among those that were seen, behind them where it is new."""
    for place, first in enumerate(firsts):
        if same(str(first.answer), answer, question):
            return place
    return len(firsts)


def same_to_judge(judge: Judge) -> Same:
    """The judge is asked; a judge that gives no verdict does not say that they are the same."""

    def same(first: str, second: str, question: Question) -> bool:
        try:
            return exact_match(first, second) or judge.agrees(question.text, first, second)
        except JudgeError:
            return False

    return same


def _same_to_release(first: str, second: str, question: Question) -> bool:
    readings = {"math": MATH_READINGS, "integer": MATH_READINGS, "phrase": PHRASE_READINGS}
    chosen = readings.get(question.answer_form)
    return first == second if chosen is None else find_match(first, second, chosen) is not None


def _same_to_strict(first: str, second: str, question: Question) -> bool:
    return _STRICT.get(question.answer_form, _same_letter)(first, second, question)


def _same_to_math_verify(first: str, second: str, question: Question) -> bool:
    return shared_pool().math_verify(first, f"${second}$").equal


def _same_mathematics(first: str, second: str, question: Question) -> bool:
    return grade_math(second, replace(question, gold=first)).correct


def _same_integer(first: str, second: str, question: Question) -> bool:
    value = read_integer(first)
    return value is not None and value == read_integer(second)


def _same_phrase(first: str, second: str, question: Question) -> bool:
    return exact_match(first, second)


def _same_letter(first: str, second: str, question: Question) -> bool:
    return first == second


_STRICT: Mapping[str, Same] = {
    "math": _same_mathematics,
    "integer": _same_integer,
    "phrase": _same_phrase,
}
SAME: Mapping[str, Same] = {
    "release": _same_to_release,
    "strict": _same_to_strict,
    "math_verify": _same_to_math_verify,
}
"""By grader; see `GRADERS`. Of code there is none: programs are not compared."""

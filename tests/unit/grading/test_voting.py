"""Majority votes: against a plain twin, and which answers each grader has vote together."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction

import pytest

from recursivemas.grading.judge import JudgeError
from recursivemas.grading.voting import SAME, Ballot, majority, same_to_judge
from recursivemas.question import Question

SPELLINGS = {
    "1/2": Fraction(1, 2),
    "0.5": Fraction(1, 2),
    "2/4": Fraction(1, 2),
    "2": Fraction(2),
    "2.0": Fraction(2),
}
SPELLINGS |= {"3": Fraction(3)}
ANY = Question(id="q", text="?", gold="2")


def twin(ballots, k):
    """Count values, not spellings. `Counter` tells of equally many the one that came first."""
    votes = Counter(SPELLINGS[one.answer] for one in ballots[:k] if one.answer is not None)
    return bool(votes) and votes.most_common(1)[0][0] == SPELLINGS[ANY.gold]


def test_votes_are_those_of_a_plain_twin():
    draw = random.Random(0)
    asked = []

    def same(first, second, question):
        asked.append((first, second))
        return SPELLINGS[first] == SPELLINGS[second]

    outcomes = Counter()
    for _ in range(300):
        answers = draw.choices([*SPELLINGS, None, None], k=draw.randint(1, 7))
        ballots = [Ballot(one, one is not None and SPELLINGS[one] == 2) for one in answers]
        right = majority(ballots, ANY, same)
        assert right == [twin(ballots, k) for k in range(1, len(ballots) + 1)], answers
        outcomes[right[-1]] += 1
    assert min(outcomes.values()) > 50, "both happen"
    assert all(first != second for first, second in asked), "no text is compared with itself"


@pytest.mark.process
@pytest.mark.parametrize(
    ("grader", "form", "first", "second", "together"),
    [
        ("strict", "math", r"\frac12", "0.5", True),
        ("strict", "math", "(a+3)(b+4)", "ab+4a+3b+12", True),
        ("strict", "math", "3.2", "3.9", False),
        ("strict", "integer", "73", "n = 73", True),
        ("strict", "integer", "70+3", "70+3 ", False),  # no integer, outright
        ("strict", "phrase", "The Beatles", "beatles", True),
        ("strict", "choice", "A", "B", False),
        ("release", "math", "3.2", "3.9", True),
        ("release", "integer", "3", "4", False),
        ("release", "phrase", "1 May 1990", "1990-05-01", True),
        ("release", "gpqa", "A", "B", False),
        ("math_verify", "math", r"\frac{1}{2}", "0.5", True),
        ("math_verify", "math", "2", "3", False),
    ],
)
def test_answers_vote_together_that_the_grader_calls_equal(grader, form, first, second, together):
    question = Question(id="q", text="?", gold="9", meta={"answer_form": form})
    assert SAME[grader](first, second, question) is together


def test_the_judge_is_asked_about_what_is_spelled_otherwise():
    class Fake:
        asked = 0

        def agrees(self, question, reference, answer):
            self.asked += 1
            if answer == "nobody":
                raise JudgeError("no verdict")
            return answer.endswith(reference)

    fake = Fake()
    same = same_to_judge(fake)
    pairs = [("Curie", "the Curie"), ("Curie", "Marie Curie"), ("Curie", "Bohr"), ("Curie", "nobody")]
    assert [same(first, second, ANY) for first, second in pairs] == [True, True, False, False]
    assert fake.asked == 3

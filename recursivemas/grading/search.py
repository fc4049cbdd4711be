"""Short factual answers: exact match and F1 after the usual normalisation.

The normalisation is that of SQuAD and HotpotQA: lower case, no punctuation, no articles, single spaces.
"""

from __future__ import annotations

import re
import string
from collections import Counter

CLOSED_ANSWERS = frozenset(("yes", "no", "noanswer"))
"""Answers that are right or wrong as a whole: sharing a word with one is worth nothing."""

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_TEXT_COMMAND = re.compile(r"\\(?:text|math|mbox)[a-z]*\s*(?=\{)|\\(?:left|right)(?![A-Za-z])|\\[,;:! ]|~")


def normalise_phrase(text: str) -> str:
    """The text as it is compared. What LaTeX a box adds (`\\text{...}`, `\\ `) is dropped."""
    plain = _TEXT_COMMAND.sub(" ", text).lower().translate(_PUNCTUATION)
    words = " ".join(re.sub(r"\b(a|an|the)\b", " ", plain).split())
    # A band called "The The" is not every other name without a word in it.
    return words or " ".join(text.lower().split())


def exact_match(answer: str, gold: str) -> bool:
    """Whether both are the same once normalised."""
    return normalise_phrase(answer) == normalise_phrase(gold)


def f1(answer: str, gold: str) -> float:
    """Harmonic mean of precision and recall over words, 0 where a yes or no is on one side only."""
    ours, theirs = normalise_phrase(answer), normalise_phrase(gold)
    if ours != theirs and CLOSED_ANSWERS & {ours, theirs}:
        return 0.0
    left, right = ours.split(), theirs.split()
    shared = (Counter(left) & Counter(right)).total()
    return 2 * shared / (len(left) + len(right)) if shared else 0.0

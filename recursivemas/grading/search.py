"""Short factual answers: exact match and F1 after the usual normalisation.

The normalisation is that of SQuAD and HotpotQA: lower case, no punctuation, no articles, single spaces.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter

from recursivemas.grading.maths.dress import undress

CLOSED_ANSWERS = frozenset(("yes", "no", "noanswer"))
"""Answers that are right or wrong as a whole: sharing a word with one is worth nothing."""

_TEX = re.compile(r"\\text\s*(?=\{)|\\[,;:! ]|~")


def normalise_phrase(text: str) -> str:
    r"""The text as it is compared. What LaTeX a box adds (`\text{...}`, `\emph{...}`, `\ `) is dropped."""
    plain = _without_punctuation(_TEX.sub(" ", undress(unicodedata.normalize("NFC", text))).lower())
    words = " ".join(re.sub(r"\b(a|an|the)\b", " ", plain).split())
    # A band called "The The" is not every other name without a word in it.
    return words or " ".join(text.lower().split())


def _without_punctuation(text: str) -> str:
    """Python's ASCII punctuation, as in the scripts of both, and all other, curly quotes too."""
    return "".join(
        char
        for char in text
        if char not in string.punctuation and not unicodedata.category(char).startswith("P")
    )


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

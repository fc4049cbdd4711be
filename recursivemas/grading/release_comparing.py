r"""When the published release takes two answers for equal: four readings of mathematics, three of a phrase.

It is lenient where it should not be: 3.2 equals 3.9, -1 equals 1, and `3 apples and 2 pears` equals 32.

Source: docs/protocol.md, "Comparing".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from dateutil import parser as dates

Reading = Callable[[str], str]
"""What of an answer is compared; empty where it has nothing of the kind."""


@dataclass(frozen=True)
class Match:
    """The reading that decided, by name, and what both sides read."""

    reading: str
    value: str


def find_match(gold: str, answer: str, readings: Mapping[str, Reading]) -> Match | None:
    """The first reading in which both sides are non-empty and equal; None where they differ in all."""
    gold = gold.strip()
    for name, read in readings.items():
        value = read(gold)
        if value and value == read(answer):
            return Match(name, value)
    return None


# ---------------------------------------------------------------------------------------------------------
# Mathematics

_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_FRACTION = re.compile(r"\\frac\{\s*([+-]?\d+)\s*\}\{\s*([+-]?\d+)\s*\}")
_NUMBER = re.compile(r"(-?)(\d+)(?:\.\d+)?")
_NUMBER_DRESS = ("\\left", "\\right", ",", "\\circ")
_LATEX_DRESS = ("\\left", "\\right", "$", "\\,", "\\;", "\\!", "\\:", "{", "}", '"', "'")


def first_number(text: str) -> str:
    r"""The part before the point of the first number, without leading zeros; empty where there is none.

    A `\frac` of two integers is their quotient as Python writes it, so that `\frac{1}{100000}`, 1e-05, reads
    1. Any other fraction's numbers are read as they stand.
    """
    text = _FRACTION.sub(_quotient, _without_text(text.strip()))
    number = _NUMBER.search(_without(text, _NUMBER_DRESS))
    if number is None:
        return ""
    digits = _ascii_digits(number[2]).lstrip("0")
    return f"{number[1]}{digits}" if digits else "0"


def latex_text(text: str) -> str:
    r"""The text without `\left`, `\right`, dollars, small spaces, braces, quotes and white space."""
    return packed_text(_without(_without_text(text.strip()), _LATEX_DRESS))


def packed_text(text: str) -> str:
    """The text without white space."""
    return re.sub(r"\s+", "", text)


def digits_before_point(text: str) -> str:
    """All digits before the first point, joined, without leading zeros; empty where there is none."""
    digits = "".join(re.findall(r"\d", text.partition(".")[0]))
    return digits.lstrip("0") or digits[:1]


def _without_text(text: str) -> str:
    return _TEXT.sub(r"\1", text)


def _without(text: str, dress: tuple[str, ...]) -> str:
    for piece in dress:
        text = text.replace(piece, "")
    return text


def _quotient(fraction: re.Match[str]) -> str:
    try:
        return str(int(fraction[1]) / int(fraction[2]))
    except (ArithmeticError, ValueError):  # by zero, or too large for a float or for int()
        return fraction[0]


def _ascii_digits(digits: str) -> str:
    """Not by int() as a whole, which refuses the endless numbers that models write."""
    return digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)


MATH_READINGS: Mapping[str, Reading] = {
    "first number": first_number,
    "LaTeX text": latex_text,
    "text without white space": packed_text,
    "digits before the point": digits_before_point,
}

# ---------------------------------------------------------------------------------------------------------
# Phrases

MAX_DATE_LENGTH = 40
UNNAMED = "?"
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE = re.compile(
    rf"(?=.*\d).*\b(?:{_MONTHS})[a-z]*\b.*|\d{{4}}(?:[-/]\d{{1,2}})?|\d{{1,4}}([-/.])\d{{1,2}}\1\d{{1,4}}",
    re.IGNORECASE,
)
_DATE_DEFAULTS = (datetime(2000, 1, 1), datetime(2003, 2, 2))
"""They differ in year, month and day: what two readings of a text share is what the text itself names."""
_ONE_SPELLING = str.maketrans(
    {**dict.fromkeys("‘’‚‛′´`", "'"), **dict.fromkeys("“”„‟″«»", '"'), **dict.fromkeys("‐‑‒–—―−", "-")}
)


def date_named(text: str) -> str:
    """The day, month or year that a text names, as `1990-05-01`, `1990-05`, `1990` or `?-05-01`.

    Empty where the whole text does not look like a date and read as one.
    """
    text = text.strip()
    if len(text) > MAX_DATE_LENGTH or not _DATE.fullmatch(text):
        return ""
    try:
        one, other = (dates.parse(text, default=default, ignoretz=True) for default in _DATE_DEFAULTS)
    except (ValueError, OverflowError):
        return ""
    named = [_named(one, other, part) for part in ("year", "month", "day")]
    while named and named[-1] == UNNAMED:
        named.pop()
    return "-".join(named)


def _named(one: datetime, other: datetime, part: str) -> str:
    value = getattr(one, part)
    return f"{value:02}" if value == getattr(other, part) else UNNAMED


def plain_words(text: str) -> str:
    """Lower case, one spelling of quotes and dashes, no punctuation, no articles, single spaces."""
    words = re.sub(r"[^\w\s]|_", " ", text.lower().translate(_ONE_SPELLING))
    return " ".join(re.sub(r"\b(?:a|an|the)\b", " ", words).split())


def lower_case(text: str) -> str:
    """The stripped text in lower case: all that is left to compare of a name such as `The The`."""
    return text.strip().lower()


PHRASE_READINGS: Mapping[str, Reading] = {
    "date": date_named,
    "words": plain_words,
    "text in lower case": lower_case,
}

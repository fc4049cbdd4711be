r"""The published release's own grader, kept so that numbers compare with the published ones.

It is lenient where it should not be: 3.2 equals 3.9, `\frac{1}{2}` equals 0.7, and no letter counts as A.

Source: protocol section 4, "The release's own grader". It leaves details open (signs, commas, which fractions
are numbers). The readings here are the plainest found that call as many pairs of MATH-500 answers equal, and
as many MedQA gold letters wrong, as the release does; other readings meet those figures too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from string import ascii_uppercase

from recursivemas.grading.base import Grade, Grader, answer_form
from recursivemas.grading.extract import (
    USUAL_OPTIONS,
    choice_letter,
    final_line,
    last_boxed,
)
from recursivemas.grading.search import exact_match
from recursivemas.question import Question

# Model text may hold endless digits, which int() refuses: a fraction's parts are capped.
_FIRST_NUMBER = re.compile(
    r"(?P<sign>-?)\s*\\[dt]?frac\{(?P<over>-?[0-9]{1,999})\}\{(?P<under>-?[0-9]{1,999})\}"
    r"|(?P<whole>-?[0-9]+)(?:\.[0-9]+)?"
)
_LATEX_DROPPED = re.compile(r"""\\(?:left|right|q?quad)(?![A-Za-z])|\\[!,;: ]|[\s~{}"'`“”‘’]""")


def grade_release(text: str, question: Question) -> Grade:
    """The release's verdict on an answer; ValueError for a kind of question that it does not read."""
    form = answer_form(question)
    grader = _BY_FORM.get(form)
    if grader is None:
        raise ValueError(
            f"question {question.id} asks for an answer of the form {form}, which the release grader does "
            f"not read; it reads {', '.join(_BY_FORM)}"
        )
    return grader(text, question)


# ---------------------------------------------------------------------------------------------------------
# Math


def grade_math(text: str, question: Question) -> Grade:
    """Compare the last box (else the `Final Answer:` line, else the whole text) with the gold.

    The first reading in which both sides are non-empty and equal makes it correct. `extracted` is None where
    the whole text was read.
    """
    extracted = last_boxed(text) or final_line(text, "answer")
    answer = text if extracted is None else extracted
    for name, read in MATH_READINGS.items():
        ours, theirs = read(answer), read(question.gold)
        if ours and ours == theirs:
            return Grade(correct=True, extracted=extracted, how=f"{name}: {ours}")
    return Grade(correct=False, extracted=extracted, how=f"no reading equals {question.gold}")


def integer_part(text: str) -> str:
    r"""The first number's integer part, cut towards zero, as digits; empty where there is no number.

    A `\frac{1}{2}` of two integers is one number. Commas and `\!` are dropped first, as they group thousands
    (so that the first number of `(2,4)` is 24).
    """
    number = _FIRST_NUMBER.search(text.replace("\\!", "").replace(",", ""))
    if number is None:
        return ""
    if number["whole"]:
        digits = number["whole"].lstrip("-").lstrip("0")
        return f"-{digits}" if digits and number["whole"].startswith("-") else digits or "0"
    if int(number["under"]) == 0:
        return ""
    value = int(Fraction(int(number["over"]), int(number["under"])))
    return str(-value if number["sign"] else value)


def latex_text(text: str) -> str:
    r"""The text without white space, LaTeX spacing, `\left` and `\right`, braces and quotes."""
    return _LATEX_DROPPED.sub("", text)


def packed_text(text: str) -> str:
    """The text without white space."""
    return re.sub(r"\s+", "", text)


def digits_before_point(text: str) -> str:
    """What stands before the first point, if that is an integer; else empty."""
    head = text.partition(".")[0].strip()
    return head if re.fullmatch(r"-?[0-9]+", head) else ""


MATH_READINGS: Mapping[str, Callable[[str], str]] = {
    "integer part": integer_part,
    "LaTeX text": latex_text,
    "text without white space": packed_text,
    "digits before the point": digits_before_point,
}


# ---------------------------------------------------------------------------------------------------------
# Choice


def grade_choice(text: str, question: Question) -> Grade:
    """Compare the option's letter with the gold letter as the release reads both.

    A text without a letter counts as A; `extracted` is None then.
    """
    gold = release_gold_letter(question)
    letter = choice_letter(text, _num_letters(question))
    found = "found no letter, which counts as A" if letter is None else f"found {letter}"
    return Grade(correct=(letter or "A") == gold, extracted=letter, how=f"{found}; gold {gold}")


def release_gold_letter(question: Question) -> str:
    """The gold letter as the release reads it, which is not always the option that holds the answer.

    A letter found in the gold text wins, as in a model's text; else the first option that contains the gold
    or is contained in it, ignoring case. ValueError where neither gives one.
    """
    letter = choice_letter(question.gold, _num_letters(question))
    if letter is not None:
        return letter
    gold = question.gold.lower()
    for option_letter, option in zip(ascii_uppercase, question.options, strict=False):
        # Release: containment is tried option by option, so "Continue X" is taken for "Discontinue X".
        if gold in option.lower() or option.lower() in gold:
            return option_letter
    raise ValueError(
        f"question {question.id} has the gold {question.gold!r}, which is neither a letter nor one of its "
        f"options {list(question.options)}"
    )


def _num_letters(question: Question) -> int:
    return max(USUAL_OPTIONS, len(question.options))


# ---------------------------------------------------------------------------------------------------------
# Search


def grade_phrase(text: str, question: Question) -> Grade:
    """Exact match of the last box (else the `Final Answer:` line, else the whole text) with the gold."""
    extracted = last_boxed(text) or final_line(text, "answer")
    correct = exact_match(text if extracted is None else extracted, question.gold)
    return Grade(
        correct=correct,
        extracted=extracted,
        how=f"{'matches' if correct else 'does not match'} {question.gold}",
    )


_BY_FORM: Mapping[str, Grader] = {
    "math": grade_math,
    "integer": grade_math,
    "choice": grade_choice,
    "gpqa": grade_choice,
    "phrase": grade_phrase,
}

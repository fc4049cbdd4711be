"""The published release's own grader, kept so that numbers compare with the published ones.

It is lenient where it should not be: 3.2 equals 3.9, and a text without a letter chooses A. What it reads is
in `release_reading`, when it takes answers for equal in `release_comparing`; how it runs code, in `code`.

Source: docs/protocol.md, "Release grader".
"""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_uppercase

from recursivemas.grading.base import Grade, Grader
from recursivemas.grading.extract import USUAL_OPTIONS
from recursivemas.grading.release_comparing import MATH_READINGS, PHRASE_READINGS, Reading, find_match
from recursivemas.grading.release_reading import (
    choice_letter,
    first_code,
    last_box,
    marked_answer,
)
from recursivemas.question import CODE_KINDS, Question

LETTER_OF_NONE = "A"
"""What the release takes a text for in which it finds no letter."""


def grade_release(text: str, question: Question) -> Grade:
    """The release's verdict on an answer; ValueError for a kind of question that it does not read."""
    form = question.answer_form
    grader = _BY_FORM.get(form)
    if grader is None:
        raise ValueError(
            f"question {question.id} asks for an answer of the form {form}, which the release grader does "
            f"not read; it reads {', '.join(_BY_FORM)}"
        )
    return grader(text, question)


def has_answer(text: str, question: Question) -> bool:
    """Whether the release finds an answer, so that it does not ask again.

    A `Final Answer:` line is none: of mathematics and phrases only a box counts.
    Source: docs/protocol.md, "Answer retry".
    """
    if question.kind in CODE_KINDS:
        return first_code(text) is not None
    if question.kind == "math":
        return last_box(text) is not None
    return choice_letter(text, _num_letters(question)) is not None


def grade_math(text: str, question: Question) -> Grade:
    """Compare the last box (else the `Final Answer:` line, else the whole text) as mathematics."""
    return _grade_marked(text, question, MATH_READINGS)


def grade_phrase(text: str, question: Question) -> Grade:
    """Compare the last box (else the `Final Answer:` line, else the whole text) as a date or by its words."""
    return _grade_marked(text, question, PHRASE_READINGS)


def _grade_marked(text: str, question: Question, readings: Mapping[str, Reading]) -> Grade:
    marked = marked_answer(text)
    answer = text.strip() if marked is None else marked
    match = find_match(question.gold, answer, readings)
    return Grade(
        correct=match is not None,
        extracted=answer,
        stand_in=marked is None,
        how=f"{match.reading}: {match.value}" if match else f"no reading equals {question.gold}",
    )


def grade_choice(text: str, question: Question) -> Grade:
    """Compare the option's letter with the gold letter as the release reads both."""
    gold = release_gold_letter(question)
    letter = choice_letter(text, _num_letters(question))
    found = f"found no letter, which counts as {LETTER_OF_NONE}" if letter is None else f"found {letter}"
    chosen = letter or LETTER_OF_NONE
    return Grade(
        correct=chosen == gold, extracted=chosen, stand_in=letter is None, how=f"{found}; gold {gold}"
    )


def release_gold_letter(question: Question) -> str:
    """The gold letter as the release reads it, which is not always the option that holds the answer.

    A letter found in the gold text wins, as in a model's text; else `letter_of_option`.
    """
    letter = choice_letter(question.gold, _num_letters(question))
    return letter or letter_of_option(question.gold, question.options)


def letter_of_option(answer: str, options: tuple[str, ...]) -> str:
    """The letter of the first option that the answer contains or that contains the answer; else A.

    Options stand without their labels; case and white space do not matter. Release: equality has no
    precedence, so that "Continue X", if it stands first, is taken for "Discontinue X".
    """
    answer = _spaced_once(answer)
    for letter, option in zip(ascii_uppercase, map(_spaced_once, options), strict=False):
        if answer in option or option in answer:
            return letter
    return LETTER_OF_NONE


def _spaced_once(text: str) -> str:
    return " ".join(text.split()).lower()


def _num_letters(question: Question) -> int:
    """A to D, however many options there are, as in the release; more where the question says so."""
    return int(question.meta.get("num_letters", USUAL_OPTIONS))


_BY_FORM: Mapping[str, Grader] = {
    "math": grade_math,
    "integer": grade_math,
    "choice": grade_choice,
    "gpqa": grade_choice,
    "phrase": grade_phrase,
}

r"""The strict grader: what is true.

It reads only what is marked as an answer, takes the gold from the options, and compares mathematics exactly.
docs/benchmarks.md lists what it takes for equal and what it does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from string import ascii_uppercase

from recursivemas.grading.base import Grade, Grader
from recursivemas.grading.extract import final_line, has_code, lone_letter, marked_answer, stated_letter
from recursivemas.grading.maths.pool import shared_pool
from recursivemas.grading.maths.reading import read_integer
from recursivemas.grading.search import exact_match, f1, normalise_phrase
from recursivemas.question import CODE_KINDS, Question

NOT_FOUND = "no answer found"


def grade_strict(text: str, question: Question) -> Grade:
    """The strict verdict on an answer; ValueError for a kind of question that it does not read."""
    form = question.answer_form
    if form not in _BY_FORM:
        raise ValueError(
            f"question {question.id} asks for an answer of the form {form}, which the strict grader does not "
            f"read; it reads {', '.join(_BY_FORM)}"
        )
    find, compare = _BY_FORM[form]
    answer = find(text, question)
    if answer is None:
        return Grade(correct=False, extracted=None, how=NOT_FOUND, score=0.0 if form == "phrase" else None)
    return compare(answer, question)


def has_answer(text: str, question: Question) -> bool:
    """Whether a text has an answer, by the rule that it is graded by; else it is asked for again.

    Of code, a closed fenced block: one that the text's end cut off deserves another try.
    """
    if question.kind in CODE_KINDS:
        return has_code(text)
    find, _ = _BY_FORM[question.answer_form]
    return find(text, question) is not None


# ---------------------------------------------------------------------------------------------------------
# Math


def find_box(text: str, question: Question) -> str | None:
    """The last box; one that is never closed takes the answer back."""
    return marked_answer(text)


def grade_math(answer: str, question: Question) -> Grade:
    """Whether the answer says what the gold says."""
    in_percent = _ASKS_PERCENT.search(question.text) is not None
    comparison = shared_pool().compare(question.gold, answer, in_percent=in_percent)
    how = "equal to" if comparison.equal else "not compared with" if comparison.error else "not equal to"
    return Grade(
        correct=comparison.equal, extracted=answer, how=f"{how} {question.gold}", error=comparison.error
    )


_ASKS_PERCENT = re.compile(
    r"(?i)\b(?:what|which|how many|by|as an?|in|(?:the|its) (?:nearest|equivalent)|find|compute|determine"
    r"|express)\s+(?:(?:is|was|the|whole|nearest|tenth|of|a|integer|approximate|total|\w+\s+as\s+a)\s+){0,4}"
    r"percent(?:age)?s?\b"
)


def grade_integer(answer: str, question: Question) -> Grade:
    """Whether the answer gives the gold's integer outright: `70 + 3` is no 73."""
    value, gold = read_integer(answer), read_integer(question.gold)
    if gold is None:
        raise ValueError(f"question {question.id} has the gold {question.gold!r}, which is no integer")
    found = "no integer" if value is None else f"the integer {value}"
    return Grade(correct=value == gold, extracted=answer, how=f"{found}; gold {gold}")


# ---------------------------------------------------------------------------------------------------------
# Choice


def grade_choice(letter: str, question: Question) -> Grade:
    """Whether the chosen option is the one that holds the answer; a text that chooses none is wrong."""
    golds = gold_letters(question)
    return Grade(correct=letter in golds, extracted=letter, how=f"found {letter}; gold {' or '.join(golds)}")


def gold_letters(question: Question) -> str:
    """The letters of the options that hold the answer: those whose text the gold is, else the gold itself.

    A gpqa gold is a letter always. ValueError where the gold is neither an option's text nor a letter.
    """
    letters = ascii_uppercase[: len(question.options)]
    gold = question.gold.strip()
    matching = [letter for letter, option in zip(letters, question.options, strict=True) if option == gold]
    if matching and question.kind != "gpqa":
        return "".join(matching)
    if len(gold) == 1 and gold in letters:
        return gold
    raise ValueError(
        f"question {question.id} has the gold {question.gold!r}, which is neither one of its options "
        f"{list(question.options)} nor the letter of one"
    )


def find_letter(text: str, question: Question) -> str | None:
    """The letter of the last box, else of the last `Final Choice:` or `Final Answer:` line, else of the text.

    A box or a line counts by its letter or by an option's whole text; of the text only a sentence that says
    what the answer is counts, or a letter that is all there is, perhaps with its option.
    """
    options = question.options
    for source in (marked_answer(text), final_line(text, "choice", "answer")):
        if source and (letter := _letter_of(source, options)):
            return letter
    return stated_letter(text, len(options)) or _letter_alone(text, options)


def _letter_of(source: str, options: tuple[str, ...]) -> str | None:
    count = len(options)
    if letter := _letter_alone(source, options) or lone_letter(source, count) or stated_letter(source, count):
        return letter
    wanted = normalise_phrase(source)
    named = [
        letter
        for letter, option in zip(ascii_uppercase, options, strict=False)
        if normalise_phrase(option) == wanted
    ]
    return named[0] if len(named) == 1 else None


def _letter_alone(text: str, options: tuple[str, ...]) -> str | None:
    """The letter of a text that holds nothing else but that letter's option: `D`, `D. Tin`, `Tin (D)`."""
    found = normalise_phrase(text)
    for letter, option in zip(ascii_uppercase, options, strict=False):
        said = normalise_phrase(option)
        name = re.match(rf"\W*(?:\\text\w*\{{)?\W*{letter}(?![A-Za-z0-9])", text)
        if name and found.removeprefix(letter.lower()).strip() in ("", said):
            return letter
        if re.search(rf"\({letter}\)\W*$", text) and found == f"{said} {letter.lower()}":
            return letter
    return None


# ---------------------------------------------------------------------------------------------------------
# Search


def find_phrase(text: str, question: Question) -> str | None:
    """The last box, or else the `Final Answer:` line."""
    return marked_answer(text) or final_line(text, "answer")


def grade_phrase(answer: str, question: Question) -> Grade:
    """Exact match, with F1 as the score."""
    score = f1(answer, question.gold)
    return Grade(
        correct=exact_match(answer, question.gold),
        extracted=answer,
        how=f"F1 {score:.2f} against {question.gold}",
        score=score,
    )


Finder = Callable[[str, Question], str | None]
_BY_FORM: Mapping[str, tuple[Finder, Grader]] = {
    "math": (find_box, grade_math),
    "integer": (find_box, grade_integer),
    "choice": (find_letter, grade_choice),
    "gpqa": (find_letter, grade_choice),
    "phrase": (find_phrase, grade_phrase),
}
"""By form: how the answer is found in the text, and how it is compared."""

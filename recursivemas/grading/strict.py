r"""The strict grader: what is true.

It reads only what is marked as an answer, takes the gold from the options, and compares mathematics exactly.
docs/benchmarks.md lists what it takes for equal and what it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_uppercase

from recursivemas.grading.base import Grade, Grader, answer_form
from recursivemas.grading.extract import final_line, lone_letter, marked_answer, stated_letter
from recursivemas.grading.maths.pool import shared_pool
from recursivemas.grading.maths.reading import read_integer
from recursivemas.grading.search import exact_match, f1, normalise_phrase
from recursivemas.question import Question

NOT_FOUND = "no answer found"


def grade_strict(text: str, question: Question) -> Grade:
    """The strict verdict on an answer; ValueError for a kind of question that it does not read."""
    form = answer_form(question)
    grader = _BY_FORM.get(form)
    if grader is None:
        raise ValueError(
            f"question {question.id} asks for an answer of the form {form}, which the strict grader does not "
            f"read; it reads {', '.join(_BY_FORM)}"
        )
    return grader(text, question)


# ---------------------------------------------------------------------------------------------------------
# Math


def grade_math(text: str, question: Question) -> Grade:
    """Whether the last box says what the gold says."""
    answer = marked_answer(text)
    if answer is None:
        return Grade(correct=False, extracted=None, how=NOT_FOUND)
    comparison = shared_pool().compare(question.gold, answer)
    how = "equal to" if comparison.equal else "not equal to"
    return Grade(
        correct=comparison.equal, extracted=answer, how=f"{how} {question.gold}", error=comparison.error
    )


def grade_integer(text: str, question: Question) -> Grade:
    """Whether the last box gives the gold's integer outright: `70 + 3` is no 73."""
    answer = marked_answer(text)
    if answer is None:
        return Grade(correct=False, extracted=None, how=NOT_FOUND)
    value, gold = read_integer(answer), read_integer(question.gold)
    if gold is None:
        raise ValueError(f"question {question.id} has the gold {question.gold!r}, which is no integer")
    found = "no integer" if value is None else f"the integer {value}"
    return Grade(correct=value == gold, extracted=answer, how=f"{found}; gold {gold}")


# ---------------------------------------------------------------------------------------------------------
# Choice


def grade_choice(text: str, question: Question) -> Grade:
    """Whether the chosen option is the one that holds the answer; a text that chooses none is wrong."""
    golds = gold_letters(question)
    letter = chosen_letter(text, question.options)
    if letter is None:
        return Grade(correct=False, extracted=None, how=NOT_FOUND)
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


def chosen_letter(text: str, options: tuple[str, ...]) -> str | None:
    """The letter of the last box, else of the last `Final Choice:` or `Final Answer:` line, else of the text.

    A box or a line counts by its letter or by an option's whole text; of the text only a sentence that says
    what the answer is counts.
    """
    for source in (marked_answer(text), final_line(text, "choice", "answer")):
        if source and (letter := _letter_of(source, options)):
            return letter
    return stated_letter(text, len(options))


def _letter_of(source: str, options: tuple[str, ...]) -> str | None:
    if letter := lone_letter(source, len(options)) or stated_letter(source, len(options)):
        return letter
    wanted = normalise_phrase(source)
    named = [
        letter
        for letter, option in zip(ascii_uppercase, options, strict=False)
        if normalise_phrase(option) == wanted
    ]
    return named[0] if len(named) == 1 else None


# ---------------------------------------------------------------------------------------------------------
# Search


def grade_phrase(text: str, question: Question) -> Grade:
    """Exact match, with F1 as the score, of the last box or else the `Final Answer:` line."""
    answer = marked_answer(text) or final_line(text, "answer")
    if answer is None:
        return Grade(correct=False, extracted=None, how=NOT_FOUND, score=0.0)
    score = f1(answer, question.gold)
    return Grade(
        correct=exact_match(answer, question.gold),
        extracted=answer,
        how=f"F1 {score:.2f} against {question.gold}",
        score=score,
    )


_BY_FORM: Mapping[str, Grader] = {
    "math": grade_math,
    "integer": grade_integer,
    "choice": grade_choice,
    "gpqa": grade_choice,
    "phrase": grade_phrase,
}

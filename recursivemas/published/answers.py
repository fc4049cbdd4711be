"""The names of the published `inference_utils/answer_utils.py`: what the release reads and compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recursivemas.benchmarks.medqa import option_texts
from recursivemas.errors import UserError
from recursivemas.grading.release import LETTER_OF_NONE, letter_of_option
from recursivemas.grading.release_comparing import (
    MATH_READINGS,
    PHRASE_READINGS,
    find_match,
    latex_text,
    plain_words,
)
from recursivemas.grading.release_reading import choice_letter, first_code, last_box, marked_answer

CHOICE_DATASETS = ("medqa", "gpqa")
MATH_DATASETS = ("math500", "aime25", "aime26")
CODE_DATASETS = ("mbppplus", "livecodebench")
"""Answers to any other dataset are phrases."""


def extract_boxed_answer(text: str) -> str | None:
    """The contents of the last box; None where there is none."""
    return last_box(text)


def extract_choice_answer(text: str) -> str | None:
    """The option's letter; None where there is none."""
    return choice_letter(text)


def extract_pred_answer(text: str, dataset_name: str) -> str:
    """What the release takes for an answer: of a choice the letter, A where there is none; of code the block,
    empty where there is none; else the box, the `Final Answer:` line or the whole text."""
    if _is_one_of(dataset_name, CHOICE_DATASETS):
        return choice_letter(text) or LETTER_OF_NONE
    if _is_one_of(dataset_name, CODE_DATASETS):
        return first_code(text) or ""
    marked = marked_answer(text)
    return text.strip() if marked is None else marked


def extract_gold_answer(gold: str, dataset_name: str, options: Sequence[str] | Mapping[str, str] = ()) -> str:
    """The gold as answers are compared with it; of a choice by the text of an option, its letter."""
    if _is_one_of(dataset_name, CHOICE_DATASETS):
        return medqa_gold_to_choice(gold, options)
    return gold.strip()


def medqa_gold_to_choice(answer: str, options: Sequence[str] | Mapping[str, str] = ()) -> str:
    """The letter that the release finds in an answer's text, else of the first option that holds it, else A.

    Options may carry their labels (`A. ...`), or be a mapping from letters.
    """
    if letter := choice_letter(answer):
        return letter
    texts = list(options.values()) if isinstance(options, Mapping) else list(options)
    return letter_of_option(answer, option_texts(texts)) if texts else LETTER_OF_NONE


def compare_answers(gold: str, pred: str, dataset_name: str) -> tuple[str, str, bool, str, str]:
    """(gold, pred, correct, gold as it was compared, pred as it was compared).

    `pred` is an answer as `extract_pred_answer` gives it. What was compared is the reading that decided;
    where none did, mathematics as LaTeX text and phrases as plain words. Raises UserError for code, which is
    run.
    """
    if _is_one_of(dataset_name, CODE_DATASETS):
        raise UserError(
            f"answers to {dataset_name} are code, which is not compared but run: call "
            "inference_utils.lcb_utils.evaluate_generated_code"
        )
    if _is_one_of(dataset_name, CHOICE_DATASETS):
        letters = choice_letter(gold) or LETTER_OF_NONE, choice_letter(pred) or LETTER_OF_NONE
        return gold, pred, letters[0] == letters[1], *letters
    is_math = _is_one_of(dataset_name, MATH_DATASETS)
    match = find_match(gold, pred, MATH_READINGS if is_math else PHRASE_READINGS)
    if match:
        return gold, pred, True, match.value, match.value
    read = latex_text if is_math else plain_words
    return gold, pred, False, read(gold), read(pred)


def _is_one_of(dataset_name: str, names: Sequence[str]) -> bool:
    return dataset_name.strip().lower() in names

"""Doorway: how the release grader reads and compares answers."""

from recursivemas.grading.release_comparing import (
    date_named,
    digits_before_point,
    first_number,
    latex_text,
    lower_case,
    packed_text,
    plain_words,
)
from recursivemas.published.answers import (
    compare_answers,
    extract_boxed_answer,
    extract_choice_answer,
    extract_gold_answer,
    extract_pred_answer,
    medqa_gold_to_choice,
)

__all__ = [
    "compare_answers",
    "date_named",
    "digits_before_point",
    "extract_boxed_answer",
    "extract_choice_answer",
    "extract_gold_answer",
    "extract_pred_answer",
    "first_number",
    "latex_text",
    "lower_case",
    "medqa_gold_to_choice",
    "packed_text",
    "plain_words",
]

"""The names of the published `inference_utils/lcb_utils.py`: code that is read, and run in our sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.benchmarks.base import Row
from recursivemas.grading.code import CodeGrader
from recursivemas.grading.harness.comparing import same_output
from recursivemas.grading.release_code import CodeColumns
from recursivemas.grading.release_reading import clean_code, first_code
from recursivemas.question import Question
from recursivemas.sandbox import find_isolation

SampleMeta = Mapping[str, Any]
"""What grading a sample needs: its `question`, `task_type` (function or program), `fn_name`, `text`."""


def extract_python_code(text: str) -> str:
    """The first block of Python that the release finds in a text; empty where there is none."""
    return first_code(text) or ""


def clean_raw_output(code: str) -> str:
    """Code without lines of fences and without a first line that only says `python`."""
    return clean_code(code)


def build_mbppplus_sample_meta(row: Row) -> dict[str, Any]:
    """What grading needs of a row of MBPP+; ValueError for one that cannot be read."""
    return _sample_meta("mbppplus", row)


def build_lcb_sample_meta(row: Row) -> dict[str, Any]:
    """What grading needs of a row of LiveCodeBench; ValueError for one that cannot be read."""
    return _sample_meta("livecodebench", row)


def _sample_meta(name: str, row: Row) -> dict[str, Any]:
    benchmark = BENCHMARKS[name]
    question_id = str(next((row[column] for column in benchmark.id_columns if column in row), "0"))
    question = benchmark.to_question(benchmark.rename(row), question_id, 0)
    return {
        "question": question,
        "task_type": question.kind,
        "fn_name": question.function_name,
        "text": question.text,
    }


def evaluate_generated_code(
    code: str,
    sample_meta: SampleMeta,
    *,
    use_private_tests: bool = True,
    allow_unisolated: bool = False,
) -> dict[str, Any]:
    """Whether code passes a sample's tests, as the release grades it.

    The result has `passed`, `verdict`, `detail` and `seconds`. It runs in our sandbox; raises UserError where
    there is none, unless `allow_unisolated`.
    """
    isolation = find_isolation(allow_unisolated=allow_unisolated)
    columns = CodeColumns(strict=CodeGrader(isolation=isolation, private_tests=use_private_tests))
    question: Question = sample_meta["question"]
    grade = columns.grade_release(code or None, question)
    return {
        "passed": grade.correct,
        "verdict": grade.verdict,
        "detail": grade.how,
        "seconds": grade.seconds,
    }


def compare_stdio_output(printed: str, expected: str) -> bool:
    """Whether a program printed what is expected: line by line, or the same numbers."""
    return same_output(printed, expected)

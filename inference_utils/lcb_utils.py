"""Doorway: code out of a text, and the tests that it is run against."""

from recursivemas.published.code import (
    build_lcb_sample_meta,
    build_mbppplus_sample_meta,
    clean_raw_output,
    compare_stdio_output,
    evaluate_generated_code,
    extract_python_code,
)

__all__ = [
    "build_lcb_sample_meta",
    "build_mbppplus_sample_meta",
    "clean_raw_output",
    "compare_stdio_output",
    "evaluate_generated_code",
    "extract_python_code",
]

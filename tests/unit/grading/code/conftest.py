"""Graders of code."""

import pytest

from recursivemas.grading.code import CodeGrader
from recursivemas.sandbox import LEVELS, why_not


@pytest.fixture(scope="module")
def grader():
    """At the best level there is; the code here does no harm at any."""
    level = next(level for level in LEVELS if why_not(level) is None)
    return CodeGrader(isolation=level, workers=2, memory_bytes=512 << 20)


@pytest.fixture(params=LEVELS)
def grader_at(request):
    """At each level that works here."""
    reason = why_not(request.param)
    if reason is not None:
        pytest.skip(f"{request.param} does not work here: {reason}")
    return CodeGrader(isolation=request.param, workers=2, memory_bytes=512 << 20)

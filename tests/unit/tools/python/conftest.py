"""The python tool, at the levels of isolation that work here."""

import pytest

from recursivemas.sandbox import LEVELS, why_not
from recursivemas.tools.python import PythonTool


@pytest.fixture(params=LEVELS)
def level(request):
    reason = why_not(request.param)
    if reason is not None:
        pytest.skip(f"{request.param} does not work here: {reason}")
    return request.param


@pytest.fixture(scope="module")
def best_level():
    """The code here does no harm at any."""
    return next(level for level in LEVELS if why_not(level) is None)


@pytest.fixture(scope="module")
def tool(best_level):
    return PythonTool(best_level)

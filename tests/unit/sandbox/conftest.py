"""The levels of isolation that work here."""

import pytest

from recursivemas.sandbox import LEVELS
from tests.support.attacks import ISOLATED, need


@pytest.fixture(params=LEVELS)
def level(request):
    need(request.param)
    return request.param


@pytest.fixture(params=ISOLATED)
def isolated(request):
    need(request.param)
    return request.param

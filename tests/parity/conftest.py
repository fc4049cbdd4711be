"""Every published style as a system on the toy release, in float64, to stand beside its slow twin."""

from __future__ import annotations

import pytest

from recursivemas import MASSystem, load_mas_system
from recursivemas.recursion import answer as answering
from recursivemas.styles import PUBLISHED_STYLES


@pytest.fixture(scope="module", params=PUBLISHED_STYLES)
def system(request, toy_release) -> MASSystem:
    with load_mas_system(request.param, device="cpu", release=toy_release, dtype="float64") as loaded:
        yield loaded


@pytest.fixture
def short_retry(monkeypatch):
    """Few tokens more are asked for where an answer has no box, as none here has."""
    monkeypatch.setattr(answering, "RETRY_TOKENS", 3)

"""Shared fixtures: the toy release, built once a session away from the user's own cache."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def toy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def toy_release(toy_cache: Path) -> Path:
    """The toy release's folder."""
    from recursivemas.toy import ensure

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECURSIVEMAS_CACHE", str(toy_cache))
        return ensure()

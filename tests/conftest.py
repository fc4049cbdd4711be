"""Shared fixtures: the toy release, built once a session away from the user's own cache."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Nothing is kept between runs: the folder may not be ours to write to.
settings.register_profile("repository", database=None)
settings.load_profile("repository")


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test hands over as a key is a plain word in the next."""
    monkeypatch.setattr("recursivemas.output.redaction._given", set())


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept for the next run stays out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECURSIVEMAS_CACHE", str(tmp_path_factory.mktemp("kept")))
        yield


@pytest.fixture(scope="session")
def toy_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy release's folder: one for all workers, built by the first that asks. Nobody may write to it."""
    from recursivemas.toy import ensure

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with pytest.MonkeyPatch.context() as patch, (shared / "toy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patch.setenv("RECURSIVEMAS_CACHE", str(shared / "toy"))
        return ensure()

"""Shared fixtures: the toy release, built once a session away from the user's own cache."""

from __future__ import annotations

import fcntl
import os
import platform
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Nothing is kept between runs: the folder may not be ours to write to.
settings.register_profile("repository", database=None)
settings.load_profile("repository")

STARTS = {"subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.exec"}
"""How Python says that a process is started, to whoever watches."""
started: list[str] = []
"""What the present test, or what was set up for it, has started."""
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as under nohup or `&`: children would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
platform.processor()  # by running `uname`, once a process; whichever library wants to know first
sys.addaudithook(lambda event, args: started.append(f"{event} {args[:2]}") if event in STARTS else None)


@pytest.fixture(autouse=True)
def processes_are_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that starts a process and does not say so fails: `make test-quick` counts on it."""
    yield
    seen = started.copy()
    started.clear()
    if seen and not request.node.get_closest_marker("process"):
        pytest.fail(f"mark it with pytest.mark.process, it starts {seen[0]}")


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test hands over as a key is a plain word in the next."""
    monkeypatch.setattr("recursivemas.output.redaction.given", set())


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept for the next run stays out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECURSIVEMAS_CACHE", str(tmp_path_factory.mktemp("kept")))
        yield


@pytest.fixture(scope="session")
def toy_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy release's folder: one for all workers, built by the first that asks. Nobody may write to it."""
    from recursivemas.zoo import ensure

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with pytest.MonkeyPatch.context() as patch, (shared / "toy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patch.setenv("RECURSIVEMAS_CACHE", str(shared / "toy"))
        return ensure()

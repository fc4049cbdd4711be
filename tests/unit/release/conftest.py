"""A small release on a hub on 127.0.0.1, and the real huggingface_hub client asking it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import file_download

from recursivemas.release.resolve import ReleaseFiles, resolve_release
from recursivemas.styles import Style
from tests.support.hub_client import point_client_at
from tests.support.hub_server import HubServer
from tests.support.small_release import SMALL_STYLE, write_release


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_release(tmp_path / "release")


@pytest.fixture
def server(release: Path) -> Iterator[HubServer]:
    with HubServer(release) as server:
        yield server


@pytest.fixture
def resolve(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ReleaseFiles]:
    """`resolve_release` in this process, its client pointed at the server and at an empty cache."""
    point_client_at(server.url, tmp_path / "cache", monkeypatch)
    # Between its retries the client sleeps for seconds.
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda seconds: None, time=time.time))

    def resolve(style: Style = SMALL_STYLE, **arguments: Any) -> ReleaseFiles:
        return resolve_release(style, "math", **arguments)

    return resolve

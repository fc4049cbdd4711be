"""What is said of the hub client's attempts, and how often a host is asked."""

from __future__ import annotations

import logging
import socket

import pytest
from huggingface_hub import get_session
from huggingface_hub.utils import http_backoff, httpx

from recursivemas.release.errors import explain
from recursivemas.release.patience import (
    CLIENT_LOGGER,
    HostUnreachableError,
    first_failure_counts,
    quiet_retries,
)


@pytest.fixture
def nobody() -> str:
    """An address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def logged():
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger(CLIENT_LOGGER)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def test_one_line_says_that_the_hub_is_asked_again(nobody, logged, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    with quiet_retries(), pytest.raises(httpx.ConnectError):
        http_backoff("HEAD", nobody, max_retries=3)
    assert len(logged) == 1
    assert logged[0].startswith("the hub did not answer (")
    with pytest.raises(httpx.ConnectError):
        http_backoff("HEAD", nobody, max_retries=1)
    assert len(logged) > 2, "a program of one's own hears what it did before"


def test_the_first_failure_counts_and_only_there(nobody):
    with first_failure_counts():
        for said in ("127.0.0.1 cannot be reached", "could not be reached before, so it was not asked again"):
            with pytest.raises(HostUnreachableError, match=said) as failure:
                get_session().head(nobody)
        assert "HF_HUB_OFFLINE" not in str(explain(failure.value, "owner/name"))
    with pytest.raises(httpx.ConnectError):
        get_session().head(nobody)

"""How long the hub's client is waited for, and what of its waiting is said."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from huggingface_hub import get_session
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import httpx

CLIENT_LOGGER = "huggingface_hub.utils._http"


class HostUnreachableError(OfflineModeIsEnabled):
    """A host could not be reached, now or a moment ago.

    The client takes it as it takes HF_HUB_OFFLINE: it does not try again, and what is in its cache is used.
    """


@contextmanager
def first_failure_counts() -> Iterator[None]:
    """Within it a host that could not be reached once is not asked again, and nothing waits for it."""
    session: Any = get_session()
    send, failures = session.send, dict[str, str]()

    def send_once(request: Any, **kwargs: Any) -> Any:
        host = request.url.host
        if host in failures:
            raise HostUnreachableError(f"{host} could not be reached before, so it was not asked again")
        try:
            return send(request, **kwargs)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failures[host] = str(error)
            raise HostUnreachableError(f"{host} cannot be reached: {error or 'no answer'}") from error

    session.send = send_once
    try:
        yield
    finally:
        del session.send  # what stood before it is the class's


class OneLineOfRetries(logging.Filter):
    """Of the client's lines about its attempts, two each, one is let through and says what goes on."""

    def __init__(self) -> None:
        super().__init__()
        self._said = False

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text.startswith("Retrying in "):
            return False
        reason, thrown, _ = text.partition(" thrown while requesting ")
        if not thrown:
            return True
        if self._said:
            return False
        self._said = True
        record.msg, record.args = f"the hub did not answer ({reason.strip(chr(39))}); it is asked again", ()
        return True


@contextmanager
def quiet_retries() -> Iterator[None]:
    """Within it the client says once that it tries again, not at each attempt."""
    logger, retries = logging.getLogger(CLIENT_LOGGER), OneLineOfRetries()
    logger.addFilter(retries)
    try:
        yield
    finally:
        logger.removeFilter(retries)

"""Asking a server that may be busy, slow, broken or hostile. Imported where a search is made: it needs
`requests`, which comes with the search's client."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import InvalidHeader, MaxRetryError, ResponseError
from urllib3.util import Retry

from recursivemas.tools.search.base import Patience

BUSY = 429
BROKEN = (500, 502, 503, 504)
MAX_BODY_BYTES = 4 << 20
CHUNK_BYTES = 1 << 16


class BodyTooLargeError(requests.RequestException):
    """The server sends more than an answer holds."""


def open_session(key: str, patience: Patience, *, wait_if_busy: bool) -> requests.Session:
    """A session that sends this key and no other. Without `wait_if_busy` a 429 is the answer at once.

    The environment still says which proxy and which certificates are used, so `trust_env` stays on; but
    with an authentication of its own the session does not look into ~/.netrc. No redirect is followed.
    """
    session = requests.Session()
    session.auth = _Bearer(key)
    session.max_redirects = 0
    session.hooks["response"].append(_cap_body)
    adapter = HTTPAdapter(max_retries=_make_retries(patience, wait_if_busy))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def in_words(error: BaseException) -> str:
    """Why a request failed, in the system's words where it has some. Holds nothing that a server said."""
    found = list(_causes(error))
    at = "at the proxy: " if any(isinstance(cause, requests.exceptions.ProxyError) for cause in found) else ""
    if any(_is_timeout(cause) for cause in found):
        return f"{at}timed out"
    words = [cause.strerror for cause in found if isinstance(cause, OSError) and cause.strerror]
    return f"{at}{words[-1] if words else type(error).__name__}"


def _is_timeout(error: BaseException) -> bool:
    # urllib3 derives a refused connection from a timeout, for old callers' sake.
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    return isinstance(error, urllib3.exceptions.TimeoutError | requests.Timeout) and not refused


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        reason = getattr(error, "reason", None)  # where urllib3 keeps the last attempt's error
        error = reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__


class _Bearer(AuthBase):
    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


# ----- retries


class _Retries(Retry):
    """Gives up at once where the server asks for a longer pause than `max_wait_s`."""

    max_wait_s: float

    def new(self, **changes: Any) -> _Retries:
        retries = super().new(**changes)
        retries.max_wait_s = self.max_wait_s
        return retries

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        # Whether a server asks for a pause or not, the listed statuses alone decide.
        return super().is_retry(method, status_code)

    def parse_retry_after(self, retry_after: str) -> float:
        try:
            return super().parse_retry_after(retry_after)
        except InvalidHeader:
            return 0.0  # no pause that can be read: ours

    def increment(
        self, method: Any = None, url: Any = None, response: Any = None, *args: Any, **others: Any
    ) -> _Retries:
        if response is not None and (self.get_retry_after(response) or 0) > self.max_wait_s:
            reason = ResponseError("the server asks for a longer pause")
            raise MaxRetryError(others["_pool"], url, reason)
        return super().increment(method, url, response, *args, **others)

    def get_backoff_time(self) -> float:
        pause = min(self.backoff_factor * 2.0 ** (len(self.history) - 1), self.max_wait_s)
        # Not the global generator: runs must not depend on how often a server failed in between.
        return random.SystemRandom().uniform(pause / 2, pause)


def _make_retries(patience: Patience, wait_if_busy: bool) -> Retry:
    retries = _Retries(
        total=patience.max_retries,
        status_forcelist=(BUSY, *BROKEN) if wait_if_busy else BROKEN,
        allowed_methods={"POST"},
        backoff_factor=patience.backoff_s,
        raise_on_status=False,
    )
    retries.max_wait_s = patience.max_wait_s
    return retries


# ----- large bodies


class _CappedBody:
    """A response's body that breaks off with BodyTooLargeError; unpacked bytes count."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, *args: Any, **others: Any) -> Iterator[bytes]:
        size = 0
        for chunk in self._raw.stream(*args, **others):
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                self._raw.close()
                raise BodyTooLargeError(f"more than {MAX_BODY_BYTES} bytes")
            yield chunk


def _cap_body(response: requests.Response, **_: Any) -> None:
    response.raw = _CappedBody(response.raw)

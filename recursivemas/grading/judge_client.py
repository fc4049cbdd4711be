"""The judge's HTTP client. Imported where a judge is asked: it stands on the openai package."""

from __future__ import annotations

import importlib
import threading
from concurrent.futures import Future
from typing import Any

import openai

_BASE = next(base for base in openai.DefaultHttpxClient.__mro__ if base.__name__ == "Client")
HTTP: Any = importlib.import_module(_BASE.__module__.partition(".")[0])
"""The HTTP package that this version of openai stands on: httpx, or its successor."""


class PunctualClient(openai.DefaultHttpxClient):
    """Gives a request up as timed out after `limit_s` seconds as a whole.

    The client's own limits count anew at every byte. What was given up goes on in a thread that nobody waits
    for.
    """

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self._limit_s = limit_s

    def send(self, request: Any, **options: Any) -> Any:
        answer: Future[Any] = Future()

        def fetch() -> None:
            try:
                answer.set_result(super(PunctualClient, self).send(request, **options))
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=fetch, daemon=True).start()
        try:
            return answer.result(self._limit_s)
        except TimeoutError:
            raise HTTP.ReadTimeout("no whole answer in time", request=request) from None

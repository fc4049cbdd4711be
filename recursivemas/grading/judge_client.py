"""The judge's HTTP client. Imported where a judge is asked: it stands on the openai package."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import httpx
import openai


class PunctualClient(openai.DefaultHttpxClient):
    """Gives a request up after `limit_s` seconds as a whole; httpx's own limits count anew at every byte.

    What it gave up goes on in a thread that nobody waits for.
    """

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self._limit_s = limit_s

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        answer: Future[httpx.Response] = Future()

        def fetch() -> None:
            try:
                answer.set_result(super(PunctualClient, self).send(request, **options))
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=fetch, daemon=True).start()
        try:
            return answer.result(self._limit_s)
        except TimeoutError:
            raise httpx.ReadTimeout(f"no whole answer within {self._limit_s:g} s", request=request) from None

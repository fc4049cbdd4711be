"""Tavily's search on 127.0.0.1: answers the real tavily-python client as a test has scripted it.

    with TavilyServer() as server:
        server.play(Answer(status=429), Answer(body=found(("Title", "https://a.example", "text"))))
        ...                                    # TavilySearch([KEY], server.url)
        server.requests                        # what was asked

The last answer of the script is given again and again. `play_for` scripts the answers to one key.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.loopback import LoopbackServer


@dataclass(frozen=True)
class Request:
    """One request that the server got; `path` is a whole address where the client took it for a proxy."""

    path: str
    key: str | None
    body: dict[str, Any]
    headers: Mapping[str, str]
    at: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server sends, after `pause_s`; bytes as they are, anything else as JSON.

    `hang_up` closes the connection instead. `missing_bytes` are announced and not sent.
    """

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    pause_s: float = 0
    hang_up: bool = False
    missing_bytes: int = 0

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def found(*hits: tuple[str, str, str], **more: object) -> dict[str, object]:
    """A good answer's body, from hits of (title, url, content)."""
    results = [{"title": title, "url": url, "content": content, "score": 0.9} for title, url, content in hits]
    return {"query": "the query", "results": results, "response_time": 0.1, **more}


def refusal(message: str) -> dict[str, object]:
    return {"detail": {"error": message}}


@dataclass
class TavilyServer(LoopbackServer):
    """A context manager; `url` is the client's base address."""

    requests: list[Request] = field(default_factory=list)
    script: list[Answer] = field(default_factory=lambda: [Answer(body=found())])
    scripts: dict[str, list[Answer]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    @property
    def keys(self) -> list[str | None]:
        """The keys of the requests, in order."""
        return [request.key for request in self.requests]

    def play(self, *answers: Answer) -> None:
        self.script = list(answers)

    def play_for(self, key: str, *answers: Answer) -> None:
        self.scripts[key] = list(answers)

    def take(self, request: Request) -> Answer:
        """Keep the request, and the answer that is its turn."""
        with self._lock:
            self.requests.append(request)
            script = self.scripts.get(request.key or "", self.script)
            return script.pop(0) if len(script) > 1 else script[0]


class _Handler(BaseHTTPRequestHandler):
    played: TavilyServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """The log is `TavilyServer.requests`."""

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: dict[str, Any]) -> None:
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        key = token if scheme == "Bearer" else None
        answer = self.played.take(Request(self.path, key, body, dict(self.headers), time.monotonic()))
        time.sleep(answer.pause_s)
        self.close_connection = answer.hang_up or answer.missing_bytes > 0
        if not answer.hang_up:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        headers = {"Content-Type": "application/json", **answer.headers}
        try:
            self.send_response(answer.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content) + answer.missing_bytes))
            self.end_headers()
            self.wfile.write(answer.content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client gave up


TavilyServer.handler = _Handler

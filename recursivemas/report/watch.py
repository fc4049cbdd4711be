"""A run that is going on, as a page that follows it: served on this machine alone, until Ctrl-C."""

from __future__ import annotations

import argparse
import errno
import re
import sys
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError
from recursivemas.report.page.contents import RunContents, pack
from recursivemas.report.page.document import PageRun, render
from recursivemas.runs.read import style_of
from recursivemas.runs.shared import Follower
from recursivemas.styles.drawing import draw

LOOPBACK = "127.0.0.1"
MAX_PORT = 65_535
HTTP_PORT = 80
PACKED, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Serve the page of a run that is going on, on this machine alone; Ctrl-C ends it."
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder, finished or not")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="default: any that is free")


def run(arguments: Mapping[str, Any]) -> None:
    """`recursivemas watch RUN`: serve the page until Ctrl-C."""
    with PageServer(arguments["run"], arguments["port"]) as server:
        print(f"{server.address} follows {arguments['run']}; Ctrl-C ends it", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


class Watched:
    """A run's contents, brought up to date whenever they are asked for; from any thread.

    Raises UserError where the folder holds no run.
    """

    def __init__(self, path: Path) -> None:
        self._contents = RunContents(path, path.resolve().name)
        self._follower = Follower(path)
        self._lock = threading.Lock()

    def page(self) -> str:
        """The page, without contents."""
        contents = self._contents
        graph = draw(style_of(contents.config), contents.run.rounds)
        return render(contents.label, None, [PageRun(details=(), graph=graph)])

    def contents(self) -> str:
        """What there is by now, packed; raises UserError for what was added and cannot be read."""
        with self._lock:
            for sample in self._follower.new():
                self._contents.add(sample)
            self._contents.read_state()
            run = {"facts": self._contents.facts(), "questions": list(self._contents.entries.values())}
            return pack({"runs": [run], "against": None})

    def details(self, number: int) -> str:
        """An answer's packed details. Raises LookupError where there is none of that number."""
        return self._contents.details[number]


class PageServer(ThreadingHTTPServer):
    """Serves a run's page to this machine's browsers; a context manager that closes its socket.

    Raises UserError for a folder that holds no run, and for a port that is none or cannot be had.
    """

    daemon_threads = True

    def __init__(self, path: Path, port: int = 0) -> None:
        if not 0 <= port <= MAX_PORT:
            raise UserError(f"port is {port}; it has to be from 1 to {MAX_PORT}, or 0 for any that is free")
        self.watched = Watched(path)
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            reason = "is taken" if taken else f"cannot be had ({error.strerror or error})"
            raise UserError(
                f"port {port} {reason}; give another --port, or 0 for any that is free"
            ) from error

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Told as servers do, but for a browser that has left before it had its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        port, watched = self.server.server_port, self.server.watched
        # Another site's name may be made to point here; its pages are not to read the run.
        names = [f"{name}:{port}" for name in (LOOPBACK, "localhost")]
        if port == HTTP_PORT:  # browsers leave it out
            names += [LOOPBACK, "localhost"]
        if self.headers.get("Host") not in names:
            return self._answer(f"open http://{LOOPBACK}:{port}/", PACKED, HTTPStatus.FORBIDDEN)
        try:
            match self.path.strip("/").split("/"):
                case [""]:
                    self._answer(watched.page(), HTML)
                case ["contents"]:
                    self._answer(watched.contents(), PACKED)
                case ["details", number] if re.fullmatch("[0-9]{1,9}", number):
                    self._answer(watched.details(int(number)), PACKED)
                case _:
                    raise LookupError(self.path)
        except LookupError:
            self._answer("there is nothing at that address", PACKED, HTTPStatus.NOT_FOUND)
        except UserError as error:
            self._answer(str(error), PACKED, HTTPStatus.INTERNAL_SERVER_ERROR)

    def _answer(self, text: str, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        body = text.encode("utf-8", "backslashreplace")
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the terminal is for the run's address."""

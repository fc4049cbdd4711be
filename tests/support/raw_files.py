"""A server of plain files on 127.0.0.1, and what was asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.support.loopback import LoopbackServer


@dataclass
class RawFiles(LoopbackServer):
    """Serves `files` by path; `cut` sends so many bytes fewer than it announces."""

    files: dict[str, bytes]
    cut: int = 0
    requests: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    played: RawFiles

    def do_GET(self) -> None:
        self.played.requests.append(self.path)
        content = self.played.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) - self.played.cut])

    def log_message(self, format: str, *args: object) -> None:
        """The log is `RawFiles.requests`."""


RawFiles.handler = _Handler

"""A judge's endpoint on 127.0.0.1, in OpenAI's chat protocol."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler

from tests.support.loopback import LoopbackServer


def completion(content):
    message = {"role": "assistant", "content": content}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "served",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }


class Endpoint(LoopbackServer):
    """Plays `script`, one entry a request, the last one again and again: (status, body, headers, pause)."""

    def __init__(self):
        self.script = [(200, completion("CORRECT"), {}, 0)]
        self.requests = []
        self.tokens = []
        self.byte_pause_s = 0.0

    def play(self, *script):
        self.script = [(*step, {}, 0)[:4] if len(step) < 3 else (*step, 0)[:4] for step in script]

    @property
    def url(self):
        return f"{super().url}/v1"

    def take(self, request, token):
        """Keep the request; the answer that is its turn."""
        self.requests.append(request)
        self.tokens.append(token)
        return self.script[min(len(self.requests), len(self.script)) - 1]


class _Handler(BaseHTTPRequestHandler):
    played: Endpoint

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, body, headers, pause = self.played.take(request, self.headers["Authorization"])
        time.sleep(pause)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self._send(data)
        except (BrokenPipeError, ConnectionResetError):
            assert pause or self.played.byte_pause_s  # only a client that was kept waiting may leave

    def _send(self, data):
        """Whole, or byte by byte where there is a pause between them."""
        if not self.played.byte_pause_s:
            self.wfile.write(data)
            return
        for byte in data:
            self.wfile.write(bytes([byte]))
            time.sleep(self.played.byte_pause_s)

    def log_message(self, *args):
        pass


Endpoint.handler = _Handler

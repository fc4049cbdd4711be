"""A judge's endpoint on 127.0.0.1, in OpenAI's chat protocol."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def completion(content):
    message = {"role": "assistant", "content": content}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "served",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }


class Endpoint:
    """Plays `script`, one entry a request, the last one again and again: (status, body, headers, pause)."""

    def __init__(self):
        self.script = [(200, completion("CORRECT"), {}, 0)]
        self.requests = []
        self.tokens = []

    def play(self, *script):
        self.script = [(*step, {}, 0)[:4] if len(step) < 3 else (*step, 0)[:4] for step in script]

    def __enter__(self):
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                endpoint.requests.append(json.loads(self.rfile.read(length)))
                endpoint.tokens.append(self.headers["Authorization"])
                step = min(len(endpoint.requests), len(endpoint.script)) - 1
                status, body, headers, pause = endpoint.script[step]
                time.sleep(pause)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                try:
                    self.send_response(status)
                    for name, value in {"Content-Type": "application/json", **headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except (BrokenPipeError, ConnectionResetError):
                    assert pause  # only a client that was kept waiting may leave

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

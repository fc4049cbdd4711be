"""Comparing mathematical answers in processes of their own, so that none can hang, bloat or crash a run.

The processes stay, because their imports take a second; one that runs over its time is killed and replaced.
They see none of our environment variables but the paths they need.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError
from recursivemas.grading.maths.text import plain_number

MAX_LENGTH = 2000
"""Longest answer, in characters, that is taken apart; a longer one is compared as text."""
LIMIT_S = 10.0
"""How much processor time a comparison may take: no more of it on a busy machine than elsewhere."""
CLOCK_FACTOR = 30
"""How many times as long it may take by the clock, so that one that sleeps or starves ends as well."""
START_LIMIT_S = 120.0
NUM_WORKERS = min(4, os.cpu_count() or 1)
KEPT_VARIABLES = ("PATH", "HOME", "SYSTEMROOT", "LD_LIBRARY_PATH", "TMPDIR")


@dataclass(frozen=True)
class Comparison:
    """Whether an answer says what the gold says."""

    equal: bool
    error: str | None = None
    """Why it came to no end, and nothing is decided; `equal` is false then."""
    extracted: str | None = None
    """What `math_verify` read in a text."""


class MathPool:
    """Compares answers, in up to `num_workers` processes when several threads ask at once.

    A process starts when it is first needed. Close the pool, or use it as a context manager; what is left is
    closed when the interpreter ends.
    """

    def __init__(self, num_workers: int = NUM_WORKERS, limit_s: float = LIMIT_S) -> None:
        self.limit_s = limit_s
        self._free = threading.Semaphore(num_workers)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        atexit.register(self.close)

    def __enter__(self) -> MathPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        atexit.unregister(self.close)

    def close(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop().kill()

    def compare(self, gold: str, answer: str, *, in_percent: bool = False) -> Comparison:
        """Whether an answer says what the gold says; UserError when the processes cannot be started.

        `in_percent` says that the question asks for percent, see `equality.equal`.
        """
        gold, answer = gold.strip(), answer.strip()
        if not gold or not answer:
            return Comparison(equal=False)
        if gold == answer:
            return Comparison(equal=True)
        numbers = (plain_number(gold), plain_number(answer))
        if None not in numbers:
            return Comparison(equal=numbers[0] == numbers[1])
        if max(len(gold), len(answer)) > MAX_LENGTH:
            return Comparison(equal=False, error=f"longer than {MAX_LENGTH} characters, so compared as text")
        return self._ask({"gold": gold, "answer": answer, "in_percent": in_percent})

    def math_verify(self, gold: str, text: str) -> Comparison:
        """What plain math-verify says of a whole text, see `worker`; UserError as in `compare`."""
        return self._ask({"gold": gold, "text": text})

    def _ask(self, request: dict[str, Any]) -> Comparison:
        with self._free:
            return self._ask_one(request)

    def _ask_one(self, request: dict[str, Any]) -> Comparison:
        worker = self._take()
        clock_s = CLOCK_FACTOR * self.limit_s
        reply = worker.ask({**request, "cpu_s": self.limit_s, "clock_s": clock_s}, clock_s)
        if reply is None:
            return Comparison(equal=False, error=f"not compared: {self._describe_end(worker.kill())}")
        with self._lock:
            self._idle.append(worker)
        return Comparison(
            equal=bool(reply.get("equal")), error=reply.get("error"), extracted=reply.get("extracted")
        )

    def _describe_end(self, exit_code: int | None) -> str:
        if exit_code is None:
            return f"no answer within {CLOCK_FACTOR * self.limit_s:g} s by the clock"
        if exit_code == -signal.SIGPROF:
            return f"it would take more than {self.limit_s:g} s of processor time"
        return f"the process died with exit code {exit_code}"

    def _take(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.is_ours():
                    return worker
                worker.close_pipes()
        return _Worker()


class _Worker:
    """One process. `ask` gives None when it takes too long or dies; kill it then."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "recursivemas.grading.maths.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=_environment(),
            bufsize=0,
        )
        ready = self._receive(START_LIMIT_S)
        if ready is None or "ready" not in ready:
            self.kill()
            why = (ready or {}).get("error", f"it ended with exit code {self._process.returncode}")
            raise UserError(
                f"the process that compares mathematical answers did not start: {why}. It needs math-verify: "
                'pip install "math-verify[antlr4_13_2]"'
            )

    def is_ours(self) -> bool:
        """Not after a fork, where parent and child would talk over the same pipe; nor when it has died."""
        return self._owner == os.getpid() and self._process.poll() is None

    def ask(self, request: dict[str, Any], limit_s: float) -> dict[str, Any] | None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            return None
        return self._receive(limit_s)

    def kill(self) -> int | None:
        """End the process; returns the exit code that it ended with by itself, None where it had not."""
        died = self._process.poll()
        self._process.kill()
        self._process.wait()
        self.close_pipes()
        return died

    def close_pipes(self) -> None:
        """Close our ends, which leaves the process to another owner."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _receive(self, limit_s: float) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        deadline = time.monotonic() + limit_s
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
                piece = os.read(self._process.stdout.fileno(), 65536)
                if not piece:
                    self._process.wait()
                    return None
                line += piece
        reply: dict[str, Any] = json.loads(line)
        return reply


def _environment() -> dict[str, str]:
    paths = [str(Path(entry or ".").resolve()) for entry in sys.path]
    return {
        **{name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONHASHSEED": "0",  # the order of sets, and with it what SymPy finds, is always the same
    }


@cache
def shared_pool() -> MathPool:
    """The pool that the graders use."""
    return MathPool()

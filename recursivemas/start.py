"""The command line's first step. It imports nothing slow, so that Ctrl-C is answered from the beginning."""

from __future__ import annotations

import atexit
import os
import signal
import sys

INTERRUPTED = 128 + signal.SIGINT


def main() -> int:
    """`recursivemas COMMAND ...`; returns the exit status."""
    return _call("main")


def run_main() -> int:
    """`python run.py ...`; returns the exit status."""
    return _call("run_main")


def _call(name: str) -> int:
    try:
        from recursivemas import cli

        status: int = getattr(cli, name)()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    if status == INTERRUPTED:
        _leave(status)
    return status


def _leave(status: int) -> None:
    """End at once: nobody who interrupts waits for threads, or for Python to take large libraries apart."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit._run_exitfuncs()  # temporary folders go
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

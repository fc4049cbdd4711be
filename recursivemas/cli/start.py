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


def train_main(kind: str) -> int:
    """`python train/train_inner.py ...` and `train_outer.py`; returns the exit status."""
    return _call("train_main", kind)


def _call(name: str, *arguments: str) -> int:
    try:
        try:
            from recursivemas.cli import main as command_line

            status: int = getattr(command_line, name)(*arguments)
        except ModuleNotFoundError as error:
            return _explain_missing(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    if status == INTERRUPTED:
        _leave(status)
    return status


def _explain_missing(error: ModuleNotFoundError) -> int:
    """Say how to get a package that is not installed; an absent module of our own is a defect, and raised."""
    package = (error.name or "recursivemas").partition(".")[0]
    if package == "recursivemas":
        raise error
    print(
        f"error: {package} is not installed for {sys.executable}: `source .venv/bin/activate` where "
        "`make demo` has set up .venv, else run `make demo` first, or `pip install torch` and "
        "`pip install -r requirements.txt`",
        file=sys.stderr,
    )
    return 2


def _leave(status: int) -> None:
    """End at once: nobody who interrupts waits for threads, or for Python to take large libraries apart."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit._run_exitfuncs()  # temporary folders go
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

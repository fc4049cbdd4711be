"""The command line's first step. It imports nothing slow, so that Ctrl-C is answered from the beginning."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""How users say by themselves what threads do that wait for others."""


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
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    _let_threads_sleep()
    try:
        try:
            from recursivemas.cli import main as command_line

            status: int = getattr(command_line, name)(*arguments)
        except ModuleNotFoundError as error:
            return _explain_missing(error)
    except KeyboardInterrupt:
        _leave_interrupted()
    if status == INTERRUPTED:
        _leave(status)
    return status


def _let_threads_sleep() -> None:
    """Have torch's threads, once it is loaded, sleep while they wait for each other, not spin.

    A thread that spins takes the core from the one that it waits for, where another process is busy.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["OMP_WAIT_POLICY"] = "passive"


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ctrl-C: a KeyboardInterrupt, but while something is imported the end at once.

    An import may swallow an exception: libraries try out what there is and catch everything, and one that is
    raised in a weak reference's callback, as importlib has them, is dropped by Python itself.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            _leave_interrupted()
        frame = frame.f_back
    raise KeyboardInterrupt


def _leave_interrupted() -> NoReturn:
    print("interrupted", file=sys.stderr)
    _leave(INTERRUPTED)


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


def _leave(status: int) -> NoReturn:
    """End at once: nobody who interrupts waits for threads, or for Python to take large libraries apart."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit._run_exitfuncs()  # temporary folders go
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

"""The solution's process as the tests see it: functions that can be called, and how it ended."""

from __future__ import annotations

import builtins
import fcntl
import os
import reprlib
import signal
import sys
import time

from . import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

SIGKILL = 9
END_S = 0.5
FREE_DESCRIPTOR = 10
FOREVER = float("inf")
SIZES = {"value": 2, "raised": 3, "ready": 3}
NO_EXTRAS = {"before": "", "after": "", "holder": None, "recursion_limit": None}


class SolutionEnded(BaseException):
    """The solution's process ended, or asked to end, before the tests were through. Tests do not catch it."""


class Solution:
    """A process that holds a solution's source and answers calls; see `served`.

    The task has the solution's `code`, its `memory_bytes`, the name of its `module` and the `wanted` names;
    and optionally source to run `before` and `after` it, the class that is the `holder` of the wanted names,
    and a `recursion_limit`.

    `failure` says why it did not load: (name of the exception, its text). Otherwise `names` are those of the
    wanted names that it has: functions that run there, and values.
    """

    def __init__(self, task: dict[str, Any], deadline: float = FOREVER) -> None:
        self.last_call = ""
        self._start()
        wire.send(self._requests, {**NO_EXTRAS, **task}, deadline)
        answer = self._receive(deadline)
        self.failure: tuple[str, str] | None = None
        self.names: dict[str, Any] = {}
        if answer[0] == "raised":
            self.failure = (str(answer[1]), str(answer[2]))
        else:
            self.names = self._take_wanted(task["wanted"], *answer[1:])

    def _take_wanted(self, wanted: list[str], functions: Any, values: Any) -> dict[str, Any]:
        """No other names: one that the tests use for something else could decide them."""
        names = {name: values[name] for name in wanted if name in values}
        return names | {name: self._function(name) for name in wanted if name in functions}

    def _function(self, name: str) -> Callable[..., Any]:
        return lambda *arguments, **keywords: self.call(name, arguments, keywords)

    def _start(self) -> None:
        requests, answers = os.pipe(), os.pipe()
        code = "from harness.served import serve; serve(3, 4)"
        # Out of the way first, so that none is overwritten before it is in its place.
        moved = [
            fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FREE_DESCRIPTOR) for end in (requests[0], answers[1])
        ]
        actions: list[Any] = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate(moved, start=3)]
        self._process = spawn(code, actions)
        for end in moved:
            os.close(end)
        os.close(requests[0])
        os.close(answers[1])
        os.set_blocking(requests[1], False)
        self._requests, self._answers = requests[1], answers[0]

    def call(
        self, name: str, arguments: Sequence[Any], keywords: dict[str, Any], deadline: float = FOREVER
    ) -> Any:
        """What the solution's function returns, as plain data, or the built-in exception that it raises.

        Such an exception has the attribute `from_solution`, with its name and text there. Raises
        SolutionEnded, and TimeoutError at the deadline.
        """
        self.last_call = f"{name}({', '.join(map(reprlib.repr, arguments))})"
        try:
            wire.send(self._requests, [name, list(arguments), keywords], deadline)
        except wire.ClosedError:
            raise self._ended() from None
        answer = self._receive(deadline)
        if answer[0] == "raised":
            raise _rebuilt(str(answer[1]), str(answer[2]))
        self.last_call += f" gave {reprlib.repr(answer[1])}"
        return answer[1]

    def _receive(self, deadline: float) -> list[Any]:
        """An answer: a list that begins with one of `SIZES`."""
        try:
            answer = wire.receive(self._answers, deadline)
        except wire.ClosedError:
            raise self._ended() from None
        except wire.UnreadableError as error:
            raise SolutionEnded(f"sent what is no answer ({error})") from None
        kind = answer[0] if type(answer) is list and answer else None
        if type(kind) is not str or SIZES.get(kind) != len(answer):
            raise SolutionEnded("sent what is no answer")
        return answer

    def _ended(self) -> SolutionEnded:
        """How it ended; it is killed where it went on without its connection."""
        give_up = time.monotonic() + END_S
        while time.monotonic() < give_up:
            process, status = os.waitpid(self._process, os.WNOHANG)
            if process:
                return SolutionEnded(describe_end(status))
            time.sleep(0.001)
        os.killpg(self._process, SIGKILL)
        return SolutionEnded("closed its connection")


def _rebuilt(name: str, text: str) -> BaseException:
    kind = getattr(builtins, name, None)
    if kind in (SystemExit, KeyboardInterrupt, GeneratorExit):
        return SolutionEnded(f"called exit ({name}: {text})")
    error: Exception
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, UnicodeError):
        error = kind(text)
    else:
        error = RuntimeError(f"{name}: {text}")
    error.from_solution = (name, text)  # type: ignore[attr-defined]
    return error


def describe_end(status: int) -> str:
    """How a process ended, in words."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by {signal.Signals(-code).name}"


def spawn(code: str, actions: list[Any]) -> int:
    """Start a fresh Python, in a process group of its own, that imports from where this one does."""
    boot = f"import sys; sys.path[:] = {sys.path!r}; {code}"
    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", boot]
    return os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setpgroup=0)

"""The solution's process as the tests see it: functions that can be called, and how it ended."""

from __future__ import annotations

import os
import reprlib
import time
from collections import deque

from . import errors, process, wire
from .allowance import Allowance
from .values import Codec, Opaque, Remote, UnreadableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

END_S = 0.5
TICK_S = 0.001
SIZES = {"value": 3, "raised": 3, "ready": 2, "call": 4}
NO_EXTRAS = {"before": "", "after": "", "holder": None, "recursion_limit": None, "arrays": False}
LARGE_INT = 1 << 1024


class SolutionEnded(BaseException):
    """The solution's process ended, or asked to end, before the tests were through. Tests do not catch it."""


class Solution:
    """A process that holds a solution's source and answers calls; see `served`.

    The task has the solution's `code`, its `memory_bytes`, the name of its `module` and the `wanted` names;
    and optionally source to run `before` and `after` it, the class that is the `holder` of the wanted names,
    a `recursion_limit`, and whether `arrays` of numpy are kept. `seconds` are the processor time for loading
    and for each call, None where somebody else sees to that.

    `failure` says why it did not load: (name of the exception, its text). Otherwise `names` are those of the
    wanted names that it has: functions that run there, and values. `opaque` is what the last call returned
    that could not be handed over.
    """

    def __init__(self, task: dict[str, Any], seconds: float | None = None) -> None:
        task = {**NO_EXTRAS, **task}
        self.last_call = ""
        self._seconds = seconds
        self._codec = Codec(self._call, strict=True, arrays=task["arrays"])
        self._start()
        allowance = self._allow()
        wire.send(self._requests, self._codec, task, allowance)
        answer = self._receive(allowance)
        self.failure: tuple[str, str] | None = None
        self.names: dict[str, Any] = {}
        if answer[0] == "raised":
            self.failure = (str(answer[1]), str(answer[2]))
        elif answer[0] == "ready" and type(answer[1]) is dict:
            # No other names: one that the tests use for something else could decide them.
            self.names = {name: answer[1][name] for name in task["wanted"] if name in answer[1]}
            for name, value in self.names.items():
                if isinstance(value, Remote):
                    value.__name__ = name

    def _start(self) -> None:
        (their_requests, self._requests), (self._answers, their_answers) = os.pipe(), os.pipe()
        nothing = os.open(os.devnull, os.O_RDWR)
        descriptors = [nothing, nothing, nothing, their_requests, their_answers]
        self._process = process.spawn("from harness.served import serve; serve(3, 4)", descriptors)
        for number in descriptors[2:]:
            os.close(number)
        os.set_blocking(self._requests, False)

    def _allow(self) -> Allowance | None:
        return None if self._seconds is None else Allowance(self._process, self._seconds)

    @property
    def opaque(self) -> Opaque | None:
        return self._codec.opaque

    def _call(self, number: int, arguments: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """What the solution's function returns, or the built-in exception that it raises.

        Such an exception has the attribute `from_solution`, with its name and text there. Raises
        SolutionEnded, TimeoutError when the time is used up, and NotCarriedError for arguments that cannot be
        handed over.
        """
        name = self._codec.remotes[number].__name__
        self.last_call = f"{name}({', '.join(map(SHORT.repr, arguments))})"
        self._codec.opaque = None
        allowance = self._allow()
        try:
            wire.send(self._requests, self._codec, ["call", number, list(arguments), keywords], allowance)
        except wire.ClosedError:
            raise self._ended() from None
        answer = self._receive(allowance)
        while answer[0] == "call":
            self._run_own_function(answer[1], answer[2], answer[3], allowance)
            answer = self._receive(allowance)
        if answer[0] == "raised":
            raise _from_solution(str(answer[1]), str(answer[2]))
        self.last_call += f" gave {SHORT.repr(answer[1])}"
        if answer[1] is None:  # a function that returns something is judged by that alone
            _change(arguments, answer[2])
        return answer[1]

    def _run_own_function(self, number: Any, given: Any, keywords: Any, allowance: Allowance | None) -> None:
        """A function of the tests that the solution got as an argument and calls."""
        last_call = self.last_call
        try:
            answer = ["value", self._codec.function(number)(*given, **keywords)]
        except Exception as error:
            answer = errors.raised(error)
        self.last_call = last_call
        wire.send(self._requests, self._codec, answer, allowance)

    def _receive(self, allowance: Allowance | None) -> list[Any]:
        """An answer: a list that begins with one of `SIZES`."""
        try:
            answer = wire.receive(self._answers, self._codec, allowance)
        except wire.ClosedError:
            raise self._ended() from None
        except UnreadableError as error:
            raise SolutionEnded(f"sent what is no answer ({error})") from None
        kind = answer[0] if type(answer) is list and answer else None
        if type(kind) is not str or SIZES.get(kind) != len(answer):
            raise SolutionEnded("sent what is no answer")
        return answer

    def _ended(self) -> SolutionEnded:
        """How it ended; it is killed where it went on without its connection."""
        give_up = time.monotonic() + END_S
        while not process.has_ended(self._process) and time.monotonic() < give_up:
            time.sleep(TICK_S)
        ended = process.has_ended(self._process)
        status = process.end_group(self._process)
        return SolutionEnded(process.describe_end(status) if ended else "closed its connection")


class _Short(reprlib.Repr):
    """Values in a few words; the digits of a very large number would take longer than the tests."""

    def repr_int(self, value: int, level: int) -> str:
        if -LARGE_INT < value < LARGE_INT:
            return super().repr_int(value, level)
        return f"<a number of {value.bit_length()} bits>"


SHORT = _Short()


def _from_solution(name: str, text: str) -> BaseException:
    if name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit"):
        return SolutionEnded(f"called exit ({name}: {text})")
    error = errors.rebuilt(name, text)
    error.from_solution = (name, text)  # type: ignore[attr-defined]
    return error


CONTAINERS: tuple[tuple[Any, Callable[[Any, Any], object]], ...] = (
    (list, lambda target, value: target.__setitem__(slice(None), value)),
    (bytearray, lambda target, value: target.__setitem__(slice(None), value)),
    (dict, lambda target, value: (target.clear(), target.update(value))),
    (set, lambda target, value: (target.clear(), target.update(value))),
    (deque, lambda target, value: (target.clear(), target.extend(value))),
)


def _change(arguments: Sequence[Any], changed: Any) -> None:
    """Do to the arguments what the solution did to its copies of them."""
    for place, value in changed:
        target = arguments[place]
        for kind, overwrite in CONTAINERS:
            if isinstance(target, kind) and isinstance(value, kind):
                overwrite(target, value)
                break
        else:
            target[...] = value  # an array

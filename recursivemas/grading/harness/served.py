"""The process that holds a solution: it loads it, then answers calls until it is no longer asked."""

from __future__ import annotations

import _thread
import sys

from . import errors, program, wire
from .values import Codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CHANGED_IN_PLACE = ("list", "dict", "set", "bytearray", "deque", "ndarray")


def serve(requests: int, answers: int) -> None:
    """Serve over two pipes. The first message says what to load; each other one is a call.

    Answers are `["ready", names]` first of all, `["value", value, changed arguments]`, and
    `["raised", type's name, text]`; in between, `["call", number, arguments, keywords]` asks for a function
    that came as an argument.
    """
    Server(requests, answers).run()


class Server:
    """One end of the two pipes. Threads of the solution may ask for functions at the same time."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests, self._answers = requests, answers
        self._codec = Codec()
        self._asking = _thread.RLock()

    def run(self) -> None:
        task = wire.receive(self._requests, self._codec)
        self._codec = Codec(self._ask, arrays=task["arrays"])
        module = program.new_module(task["module"], task["memory_bytes"])
        answer = _guarded(_load, module.__dict__, task)
        while True:
            try:
                self._send(answer)
                request = wire.receive(self._requests, self._codec)
            except wire.ClosedError:
                return
            answer = _guarded(self._run_call, *request[1:])

    def _run_call(self, number: int, arguments: list[Any], keywords: dict[str, Any]) -> list[Any]:
        """A call's answer. A function that returns nothing may be there for what it does to its arguments."""
        before = self._mutable_ones(arguments)
        value = self._codec.function(number)(*arguments, **keywords)
        after = self._mutable_ones(arguments) if value is None else {}
        changed = [[place, arguments[place]] for place, data in after.items() if data != before[place]]
        return ["value", value, changed]

    def _mutable_ones(self, arguments: list[Any]) -> dict[int, Any]:
        return {
            place: self._codec.encode(argument)
            for place, argument in enumerate(arguments)
            if type(argument).__name__ in CHANGED_IN_PLACE
        }

    def _ask(self, number: int, arguments: Any, keywords: dict[str, Any]) -> Any:
        """What a function of the tests returns."""
        with self._asking:
            wire.send(self._answers, self._codec, ["call", number, list(arguments), keywords])
            answer = wire.receive(self._requests, self._codec)
            while answer[0] == "call":  # that function calls one of ours
                self._send(_guarded(self._run_call, *answer[1:]))
                answer = wire.receive(self._requests, self._codec)
        if answer[0] == "raised":
            raise errors.rebuilt(str(answer[1]), str(answer[2]))
        return answer[1]

    def _send(self, answer: list[Any]) -> None:
        try:
            wire.send(self._answers, self._codec, answer)
        except wire.ClosedError:
            raise
        except BaseException as error:  # an iterator may raise anything while it is encoded
            wire.send(self._answers, self._codec, errors.raised(error))


def _guarded(action: Any, *arguments: Any) -> list[Any]:
    try:
        return list(action(*arguments))
    except BaseException as error:
        return errors.raised(error)


def _load(names: dict[str, Any], task: dict[str, Any]) -> list[Any]:
    """Run the solution, then the imports that it may count on; what there is of the wanted names."""
    if task["recursion_limit"]:
        sys.setrecursionlimit(task["recursion_limit"])
    exec(task["before"], names)
    exec(compile(task["code"], "solution.py", "exec"), names)
    exec(task["after"], names)
    if task["holder"] in names:
        holder = names[task["holder"]]()
        names.update({name: getattr(holder, name) for name in task["wanted"] if hasattr(holder, name)})
    return ["ready", {name: names[name] for name in task["wanted"] if name in names}]

"""The process that holds a solution: it loads it, then answers calls until it is no longer asked."""

from __future__ import annotations

import sys

from . import program, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def serve(requests: int, answers: int) -> None:
    """Serve over two pipes. The first message says what to load; each other one is a call.

    Answers are `["value", value]`, `["raised", type's name, text]`, and first of all `["ready", names]`.
    """
    task = wire.receive(requests)
    module = program.new_module(task["module"], task["memory_bytes"])
    answer = _guarded(_load, module.__dict__, task)
    while True:
        try:
            _send(answers, answer)
            name, arguments, keywords = wire.receive(requests)
        except wire.ClosedError:
            return
        answer = _guarded(_call, module.__dict__, name, arguments, keywords)


def _guarded(action: Any, *arguments: Any) -> list[Any]:
    try:
        return list(action(*arguments))
    except BaseException as error:
        return _raised(error)


def _send(answers: int, answer: list[Any]) -> None:
    try:
        wire.send(answers, answer)
    except wire.ClosedError:
        raise
    except BaseException as error:  # an iterator may raise anything while it is encoded
        wire.send(answers, _raised(error))


def _raised(error: BaseException) -> list[Any]:
    return ["raised", type(error).__name__, _text_of(error)]


def _text_of(error: BaseException) -> str:
    try:
        return str(error)[:1000]
    except Exception:
        return ""


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
    wanted = {name: names[name] for name in task["wanted"] if name in names}
    functions = [name for name, value in wanted.items() if callable(value)]
    return ["ready", functions, {name: value for name, value in wanted.items() if name not in functions}]


def _call(names: dict[str, Any], name: str, arguments: list[Any], keywords: dict[str, Any]) -> list[Any]:
    return ["value", names[name](*arguments, **keywords)]

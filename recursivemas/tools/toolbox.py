"""The tools of a run: asking them without waiting, and what a call leaves in the record."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Thread, Timer
from typing import Any, get_args

from recursivemas.errors import UserError
from recursivemas.tools.base import MAX_RESULT_CHARACTERS, AnswerStatus, Status, Tool, ToolAnswer
from recursivemas.tools.tags import Request, defuse
from recursivemas.values import Count, Flag, Moment, Number, Text, now

MAX_CALLS = 5
"""How many calls an agent may make in one text (docs/protocol.md, "Tools")."""
TOOL_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """One call: what was asked, what the agent read, and how long it took."""

    tool: Text
    request: Text
    """What stood between the tags."""
    result: Text
    """What the agent read."""
    status: Status
    seconds: Number = 0.0
    cached: Flag = False
    """Whether the tool asked nobody."""
    started: Moment | None = None
    """When it was asked; None where nobody was."""
    start: Count = 0
    """In the agent's text, where the opening tag begins."""
    end: Count = 0
    """In the agent's text, where the result's block ends."""


class Toolbox:
    """Tools by name, for any number of texts at a time.

    Raises UserError for `max_calls` below 1, and for what is no tool: its name is a tag of its own,
    `deadline_s` is None or seconds, it describes itself and can be called.
    """

    def __init__(self, tools: Sequence[Tool], *, max_calls: int = MAX_CALLS) -> None:
        if type(max_calls) is not int or max_calls < 1:
            raise UserError(f"max_calls is {max_calls}; it has to be a whole number, 1 or more")
        self.max_calls = max_calls
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            _check(tool)
            if tool.name in self._tools:
                raise UserError(f"two tools are named {tool.name!r}; a name is a tag, for one of them")
            self._tools[tool.name] = tool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    def only(self, names: Sequence[str]) -> Toolbox | None:
        """The toolbox with those of these tools that it holds; None where it holds none of them."""
        tools = [tool for name, tool in self._tools.items() if name in names]
        return Toolbox(tools, max_calls=self.max_calls) if tools else None

    def describe(self) -> dict[str, Any]:
        """What decides the results, for a run's record."""
        return {
            "max_calls": self.max_calls,
            **{name: tool.describe() for name, tool in self._tools.items()},
        }

    def ask(self, request: Request, num_calls: int) -> Future[ToolCall]:
        """Begin to answer a text that has made `num_calls` calls before. The answer never is an error.

        One call too many is answered at once; it does not reach its tool.
        """
        future: Future[ToolCall] = Future()
        if num_calls >= self.max_calls:
            note = f"[tool limit reached after {self.max_calls} calls]"
            future.set_result(_call(request, note, "limit"))
        else:
            # Threads of their own, that nothing joins: a tool that never comes back holds up nobody.
            thread = Thread(target=_answer, args=(self._tools[request.name], request, future), daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # there are too many
                future.set_result(_failed(request, error))
        return future


def _check(tool: Any) -> None:
    """UserError for what does not have all that a tool has."""
    name = getattr(tool, "name", None)
    if not isinstance(name, str) or not TOOL_NAME.fullmatch(name) or name == "result":
        raise UserError(
            f"a tool is named {name!r}; a name is a tag: lower-case letters, digits and underscores, and not "
            "`result`"
        )
    deadline_s: Any = getattr(tool, "deadline_s", "missing")
    is_seconds = type(deadline_s) in (int, float) and 0 < deadline_s < float("inf")
    if deadline_s is not None and not is_seconds:
        raise UserError(
            f"the tool {name} has the deadline_s {deadline_s!r}; it has to be seconds above 0, or None for a "
            "tool that ends every call by itself"
        )
    if isinstance(tool, type) or not callable(tool) or not callable(getattr(tool, "describe", None)):
        raise UserError(f"the tool {name} cannot be called, or has no describe(); give an object with both")


def _answer(tool: Tool, request: Request, future: Future[ToolCall]) -> None:
    """Ask the tool, and settle the future whatever comes of it."""
    start, started = time.perf_counter(), now()
    timer = None
    try:
        timer = _give_up_after(tool.deadline_s, request, future, started)
        answer = _checked(tool(request.content))
        call = _call(request, answer.text, answer.status, cached=answer.cached)
    except BaseException as error:  # SystemExit, too: whatever a tool does costs its own call, nothing else
        call = _failed(request, error)
    call = replace(call, seconds=time.perf_counter() - start, started=started)
    with suppress(InvalidStateError):  # it was given up
        future.set_result(call)
    if timer:
        timer.cancel()


def _checked(answer: object) -> ToolAnswer:
    """What a tool gave back, if it is what a tool has to give back; TypeError otherwise."""
    if not isinstance(answer, ToolAnswer) or not isinstance(answer.text, str):
        raise TypeError("it gave back something else than a ToolAnswer with a text")
    if answer.status not in get_args(AnswerStatus):
        raise TypeError(f"it gave back the status {answer.status!r}")
    return answer


def _failed(request: Request, error: BaseException) -> ToolCall:
    reason = type(error).__name__
    with suppress(Exception):  # there are errors whose text cannot be made either
        reason = f"{reason}: {error}"
    return _call(request, f"[{request.name} error] {reason}", "failed")


def _give_up_after(
    deadline_s: float | None, request: Request, future: Future[ToolCall], started: Moment
) -> Timer | None:
    if deadline_s is None:
        return None
    note = f"[{request.name} error] TimeoutError: no answer within {deadline_s:g} s"

    def give_up() -> None:
        with suppress(InvalidStateError):  # it has just come back
            call = _call(request, note, "timeout")
            future.set_result(replace(call, seconds=deadline_s, started=started))

    timer = Timer(deadline_s, give_up)
    timer.daemon = True
    timer.start()
    return timer


def _call(request: Request, text: str, status: Status, *, cached: bool = False) -> ToolCall:
    return ToolCall(
        tool=request.name,
        request=request.content.strip(),
        result=_readable(text),
        status=status,
        cached=cached,
    )


def _readable(text: str) -> str:
    """What an agent may read of a tool's text: valid Unicode, short enough, and no end of its block in it."""
    kept = defuse(text[:MAX_RESULT_CHARACTERS].encode("utf-8", "replace").decode("utf-8"))
    num_left_out = len(text) - MAX_RESULT_CHARACTERS
    return kept if num_left_out <= 0 else f"{kept}\n... [truncated {num_left_out} chars]"


def without_calls(text: str, calls: Sequence[ToolCall]) -> str:
    """What an agent says itself: its text without its calls and their results."""
    kept, position = [], 0
    for call in calls:
        kept.append(text[position : call.start])
        position = call.end
    return "".join([*kept, text[position:]])

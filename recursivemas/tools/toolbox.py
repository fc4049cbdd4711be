"""The tools of a run: asking them without waiting, and what a call leaves in the record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread, Timer
from typing import Any

from recursivemas.errors import UserError
from recursivemas.tools.base import MAX_RESULT_CHARACTERS, Status, Tool, ToolAnswer
from recursivemas.tools.tags import Request, as_block, defuse

MAX_CALLS = 5
"""How many calls an agent may make in one text (protocol section 3, "Tools")."""
CUT_NOTE = f"\n[cut at {MAX_RESULT_CHARACTERS} characters]"


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """One call: what was asked, what the agent read, and how long it took.

    `start` is where the result's block begins in the agent's text. `cached` tells that the tool asked nobody.
    """

    tool: str
    request: str
    result: str
    status: Status
    seconds: float = 0.0
    cached: bool = False
    start: int = 0


class Toolbox:
    """Tools by name, for any number of texts at a time. Raises UserError for `max_calls` below 1."""

    def __init__(self, tools: Sequence[Tool], *, max_calls: int = MAX_CALLS) -> None:
        if max_calls < 1:
            raise UserError(f"max_calls is {max_calls}; it has to be 1 or more, or there be no tools at all")
        self.max_calls = max_calls
        self._tools = {tool.name: tool for tool in tools}

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

        A request that is empty, or one too many, is answered at once; it does not reach its tool.
        """
        future: Future[ToolCall] = Future()
        if num_calls >= self.max_calls:
            note = f"The limit of {self.max_calls} tool calls is reached; no further call is answered."
            future.set_result(_call(request, ToolAnswer(text=note, status="limit")))
        elif not request.content.strip():
            note = f"Nothing stands between <{request.name}> and </{request.name}>."
            future.set_result(_call(request, ToolAnswer(text=note, status="empty")))
        else:
            # Threads of their own, that nothing joins: a tool that never comes back holds up nobody.
            Thread(target=self._answer, args=(request, future), daemon=True).start()
        return future

    def _answer(self, request: Request, future: Future[ToolCall]) -> None:
        tool = self._tools[request.name]
        start = time.perf_counter()
        timer = _give_up_after(tool.deadline_s, request, future)
        try:
            answer = tool(request.content)
        except Exception as error:  # whatever a tool does costs its own call and nothing else
            reason = f"[{tool.name} failed: {type(error).__name__}: {error}]"
            answer = ToolAnswer(text=reason, status="error")
        if timer:
            timer.cancel()
        with suppress(InvalidStateError):  # it was given up
            future.set_result(_call(request, answer, time.perf_counter() - start))


def _give_up_after(deadline_s: float | None, request: Request, future: Future[ToolCall]) -> Timer | None:
    if deadline_s is None:
        return None
    note = f"[{request.name} gave no answer within {deadline_s:g} s]"

    def give_up() -> None:
        with suppress(InvalidStateError):  # it has just come back
            future.set_result(_call(request, ToolAnswer(text=note, status="timeout"), deadline_s))

    timer = Timer(deadline_s, give_up)
    timer.daemon = True
    timer.start()
    return timer


def _call(request: Request, answer: ToolAnswer, seconds: float = 0.0) -> ToolCall:
    return ToolCall(
        tool=request.name,
        request=request.content.strip(),
        result=_readable(answer.text),
        status=answer.status,
        seconds=seconds,
        cached=answer.cached,
    )


def _readable(text: str) -> str:
    """What an agent may read of a tool's text: valid Unicode, short enough, and no end of its block in it."""
    text = text[: MAX_RESULT_CHARACTERS + 1]  # what follows is cut anyway
    text = defuse(text.encode("utf-8", "replace").decode("utf-8"))
    if len(text) <= MAX_RESULT_CHARACTERS:
        return text
    return text[: MAX_RESULT_CHARACTERS - len(CUT_NOTE)] + CUT_NOTE


def without_results(text: str, calls: Sequence[ToolCall]) -> str:
    """An agent's own words: its text without the results that stand in it."""
    kept, position = [], 0
    for call in calls:
        kept.append(text[position : call.start])
        position = call.start + len(as_block(call.result))
    return "".join([*kept, text[position:]])

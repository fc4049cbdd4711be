"""What a tool is: a name, which is its tag, and a function from what an agent asks to what it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

MAX_RESULT_CHARACTERS = 6000
"""How much of a result an agent reads; a note on what is left out follows (docs/protocol.md, "Tools")."""

AnswerStatus = Literal["ok", "error", "failed", "timeout", "stub"]
"""What became of a request. `error`: it is at fault itself (its code raised); `failed`: the tool could not do
its work; `timeout`: it was stopped; `stub`: the run does not have the tool."""
Status = Literal[AnswerStatus, "limit"]
"""What became of a call. No tool was asked where it is over the `limit` on calls."""


@dataclass(frozen=True, kw_only=True)
class ToolAnswer:
    """What a tool gives back."""

    text: str
    """What the agent reads."""
    status: AnswerStatus = "ok"
    cached: bool = False
    """Whether nothing was asked anew."""


class Tool(Protocol):
    """Answers requests, from several threads at a time.

    `name` is its tag in an agent's text, in lower case. `deadline_s` says after how many seconds a call is
    given up, None where the tool ends every call by itself. A call may raise: its agent is told so.
    """

    @property
    def name(self) -> str: ...

    @property
    def deadline_s(self) -> float | None: ...

    def __call__(self, request: str) -> ToolAnswer: ...

    def describe(self) -> dict[str, Any]:
        """What decides the answers, for a run's record; no secrets."""

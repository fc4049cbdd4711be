"""What a tool is: a name, which is its tag, and a function from what an agent asks to what it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

MAX_RESULT_CHARACTERS = 6000
"""How much of a result an agent reads (protocol section 3, "Tools")."""

Status = Literal["ok", "error", "timeout", "empty", "limit", "stub"]
"""What became of a call. `error`: it failed, and the agent was told how; `timeout`: it was stopped; `empty`:
nothing was asked; `limit`: there had been enough calls; `stub`: the tool is not to be had in this run."""


@dataclass(frozen=True, kw_only=True)
class ToolAnswer:
    """What a tool gives back: the text that the agent reads. `cached` tells that nothing was asked anew."""

    text: str
    status: Status = "ok"
    cached: bool = False


class Tool(Protocol):
    """Answers requests, from several threads at a time.

    `name` is its tag in an agent's text. `deadline_s` is when a call is given up in seconds, None where the
    tool sees to that itself. A call may raise: its agent is told so.
    """

    @property
    def name(self) -> str: ...

    @property
    def deadline_s(self) -> float | None: ...

    def __call__(self, request: str) -> ToolAnswer: ...

    def describe(self) -> dict[str, Any]:
        """What decides the answers, for a run's record; no secrets."""

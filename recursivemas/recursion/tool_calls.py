"""The tag loop: calls in what rows write are answered while the other rows write on.

A row's own text since its last result is looked at, so a result cannot call anything. It is cut where the
closing tag ends: what a tokenizer has merged with the bracket was written without having read the result.

Source: docs/protocol.md, "Tools".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future

from recursivemas.agents.agent import Agent
from recursivemas.engine import Resumption
from recursivemas.tools import Request, Toolbox, ToolCall, as_block, find_request, may_end_request

LIMIT = "calls"
"""How a text ends that asked for one call too many."""
TAIL_TOKENS = 16
"""More than a closing tag can be spread over, with what its last token holds besides."""


class ToolCalling:
    """Lets a session's rows pause for their tools: what `Session.write` takes as `pauses`."""

    def __init__(self, agent: Agent, toolbox: Toolbox) -> None:
        self.answered: dict[int, list[tuple[Request, ToolCall]]] = defaultdict(list)
        """What was asked and answered so far, by row."""
        self._agent = agent
        self._toolbox = toolbox
        self._asked: dict[int, tuple[Request, tuple[int, ...]]] = {}

    def look(self, row: int, written: Sequence[int]) -> Future[ToolCall] | None:
        """The answer that a row has to wait for, where its last token closes a call."""
        if written[-1] not in self._agent.closing_ids:
            return None
        names = self._toolbox.names
        if not may_end_request(self._agent.text(written[-TAIL_TOKENS:]), names):
            return None
        text = self._agent.text(written)
        request = find_request(text, names)
        if request is None:
            return None
        self._asked[row] = request, self._cut(written, text[: request.end])
        return self._toolbox.ask(request, len(self.answered[row]))

    def resume(self, row: int, call: ToolCall) -> Resumption:
        """The row goes on behind the result, or ends there when it was one call too many."""
        request, written = self._asked.pop(row)
        self.answered[row].append((request, call))
        return Resumption(
            written=written,
            inserted=tuple(self._agent.plain_ids(as_block(call.result))),
            ended_by=LIMIT if call.status == "limit" else "",
        )

    def _cut(self, written: Sequence[int], text: str) -> tuple[int, ...]:
        """The token ids of `text`, which `written` begins with: the same ones as far as they go."""
        for count in range(len(written), -1, -1):
            kept = self._agent.text(written[:count])
            if text.startswith(kept):
                return (*written[:count], *self._agent.plain_ids(text[len(kept) :]))
        raise AssertionError("no ids at all are the beginning of any text")

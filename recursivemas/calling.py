"""The tag loop: calls in what rows write are answered while the other rows write on.

A row's own text since its last result is looked at, so a result cannot call anything. It is cut where the
closing tag ends: what a tokenizer has merged with the bracket was written without having read the result.

Source: protocol section 3, "Tools".
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from recursivemas.agent import Agent
from recursivemas.engine import Resumption
from recursivemas.tools import Toolbox, ToolCall, as_block, find_request

LIMIT = "calls"
"""How a text ends that asked for one call too many."""


class ToolCalling:
    """Lets a batch's rows pause for their tools. `calls` holds what was answered so far, by row.

    It is what `recursivemas.engine.decode` takes as `pauses`.
    """

    def __init__(self, agent: Agent, toolbox: Toolbox, num_rows: int) -> None:
        self.calls: list[list[ToolCall]] = [[] for _ in range(num_rows)]
        self._agent = agent
        self._toolbox = toolbox
        self._said: dict[int, tuple[int, ...]] = {}

    def look(self, row: int, written: Sequence[int]) -> Future[ToolCall] | None:
        """The answer that a row has to wait for, where its last token closes a call."""
        if written[-1] not in self._agent.closing_ids:
            return None
        text = self._agent.text(written)
        request = find_request(text, self._toolbox.names)
        if request is None:
            return None
        self._said[row] = self._cut(written, text[: request.end])
        return self._toolbox.ask(request, len(self.calls[row]))

    def resume(self, row: int, call: ToolCall) -> Resumption:
        """The row goes on behind the result, or ends there when it was one call too many."""
        self.calls[row].append(call)
        return Resumption(
            written=self._said.pop(row),
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

"""The recursion: rounds of thinking over a style's graph.

In each round the agents run in order. An agent reads its prompt, with the messages that reached it standing
in the prompt's slots, thinks, and sends what it thought over its links: to later agents at once, over
feedback links into the next round. In the last round the answering agent's prompt, filled, is what the answer
is decoded from. What a message is, latents or text, is the medium's affair.

Source: docs/protocol.md, "Rounds"; the paper's Algorithm 1 (arXiv 2604.25917).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from recursivemas.engine import PromptBatch
from recursivemas.styles import LinkSpec, Style

Message = Any
"""What passes over a link: a row a question, in whatever form the medium gives it."""


class Medium(Protocol):
    """How agents read and think, and what they pass on."""

    def read(self, round_number: int, role: str, received: Mapping[str, Message]) -> PromptBatch:
        """The agent's prompts, with the messages received in their slots."""

    def think(
        self, round_number: int, role: str, prompts: PromptBatch, links: Sequence[LinkSpec]
    ) -> dict[LinkSpec, Message]:
        """The messages that the agent sends over these links."""


class Observer(Protocol):
    """Is told when an agent's turn begins and ends, for clocks and progress bars."""

    def stage(self, round_number: int, role: str) -> AbstractContextManager[None]:
        """Wraps an agent's turn in a round."""


def recurse(style: Style, medium: Medium, *, num_rounds: int, observer: Observer) -> PromptBatch:
    """Run all rounds; returns the answering agent's prompts of the last round, slots filled."""
    fed_back: dict[LinkSpec, Message] = {}
    for round_number, roles in enumerate(style.schedule(num_rounds), start=1):
        sent: dict[LinkSpec, Message] = {}
        for role in roles:
            inbound = style.inbound(role, with_feedback=round_number > 1)
            received = {link.slot: (fed_back if link.feedback else sent)[link] for link in inbound}
            with observer.stage(round_number, role):
                prompts = medium.read(round_number, role, received)
                if round_number == num_rounds and role == style.answering_role:
                    return prompts
                outbound = style.outbound(role, with_feedback=round_number < num_rounds)
                sent |= medium.think(round_number, role, prompts, outbound)
        fed_back = sent
    raise AssertionError("the schedule's last round ends with the answering agent")

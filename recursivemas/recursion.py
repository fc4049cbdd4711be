"""The recursion: rounds of latent thinking over a style's graph.

Shapes: B batch, L latent steps, D_tgt a link's target's hidden size.

In each round the agents run in order. An agent reads its prompt, with the messages that reached it standing
in the prompt's slots, thinks for L latent steps, and sends what it thought over its outer links: to later
agents at once, over feedback links into the next round. In the last round the answering agent's prompt,
filled, is what the answer is decoded from.

Source: protocol section 3, "Rounds"; the paper's Algorithm 1 (arXiv 2604.25917).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from torch import Tensor

from recursivemas.agent import Agent
from recursivemas.engine import PromptBatch, roll_out
from recursivemas.links import OuterLink
from recursivemas.prompts import ChatPrompt
from recursivemas.styles import LinkSpec, Style

WritePrompts = Callable[[str, bool], Sequence[ChatPrompt]]
"""(role, with feedback?) -> that agent's prompts, one a question, slots open."""


class Observer(Protocol):
    """Is told what happens, for clocks, counters and records."""

    def stage(self, round_number: int, role: str) -> AbstractContextManager[None]:
        """Wraps an agent's turn in a round."""

    def message(self, round_number: int, link: LinkSpec, message: Tensor) -> None:
        """Sees a message [B, L, D_tgt] as it is sent."""


def recurse(
    style: Style,
    agents: Mapping[str, Agent],
    outer_links: Mapping[tuple[str, str], OuterLink],
    write_prompts: WritePrompts,
    *,
    num_rounds: int,
    latent_length: int,
    observer: Observer,
) -> PromptBatch:
    """Run all rounds; returns the answering agent's prompts of the last round, slots filled."""
    fed_back: dict[LinkSpec, Tensor] = {}
    for round_number, roles in enumerate(style.schedule(num_rounds), start=1):
        sent: dict[LinkSpec, Tensor] = {}
        for role in roles:
            agent = agents[role]
            inbound = style.inbound(role, with_feedback=round_number > 1)
            received = {link.slot: (fed_back if link.feedback else sent)[link] for link in inbound}
            prompts = write_prompts(role, style.reads_feedback(role, round_number))
            with observer.stage(round_number, role):
                batch = agent.read(prompts, received)
                if round_number == num_rounds and role == style.answering_role:
                    return batch
                thoughts = roll_out(agent.backbone, agent.inner_link, batch, latent_length).thoughts
                for link in style.outbound(role, with_feedback=round_number < num_rounds):
                    sent[link] = outer_links[link.source, link.target](thoughts)
                    observer.message(round_number, link, sent[link])
        fed_back = sent
    raise AssertionError("the schedule's last round ends with the answering agent")

"""The recursion: rounds of thinking over a style's graph.

In each round the agents run in order. An agent reads its prompt, with the messages that reached it standing
in the prompt's slots, thinks, and sends what it thought over its links: to later agents at once, over
feedback links into the next round. In the last round the answering agent's prompt, filled, is what the answer
is written after. What a message is, latents or text, is the channel's affair; what is noted on the way is the
observers'.

Source: docs/protocol.md, "Rounds"; the paper's Algorithm 1 (arXiv 2604.25917).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol, TypeVar

from recursivemas.styles import LinkSpec, Style

Reading = TypeVar("Reading")
"""What an agent is left with once it has read its prompts."""
Thought = TypeVar("Thought")
"""What came of its thinking."""
Message = TypeVar("Message")
"""What passes over a link: something for every question of a batch."""


@dataclass(frozen=True)
class Turn:
    """An agent's part in a round."""

    round: int
    """Counted from 1."""
    role: str
    reads_feedback: bool
    """Whether its prompt has slots for what was fed back from the round before."""


class Channel(Protocol[Reading, Thought, Message]):
    """How agents read and think, and what they pass on."""

    def read(self, turn: Turn, received: Mapping[str, Message]) -> Reading:
        """The agent reads its prompts, with the messages received in their slots."""

    def think(self, turn: Turn, reading: Reading) -> Thought:
        """The agent goes on from what it has read."""

    def carry(self, turn: Turn, link: LinkSpec, thought: Thought) -> Message:
        """What of the thought arrives at the other end of a link."""


class Observer:
    """Is told what happens, and changes nothing; this one takes no note of it."""

    def stage(self, turn: Turn) -> AbstractContextManager[None]:
        """Stands around an agent's turn, or a further part of it."""
        return nullcontext()

    def read(self, turn: Turn, reading: Any) -> None:
        """An agent has read its prompts."""

    def thought(self, turn: Turn, thought: Any) -> None:
        """An agent has thought."""

    def sent(self, turn: Turn, link: LinkSpec, message: Any) -> None:
        """A message has gone over a link."""


class Observers(Observer):
    """Several observers as one; they are told in order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    @contextmanager
    def stage(self, turn: Turn) -> Iterator[None]:
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.stage(turn))
            yield

    def read(self, turn: Turn, reading: Any) -> None:
        for observer in self._observers:
            observer.read(turn, reading)

    def thought(self, turn: Turn, thought: Any) -> None:
        for observer in self._observers:
            observer.thought(turn, thought)

    def sent(self, turn: Turn, link: LinkSpec, message: Any) -> None:
        for observer in self._observers:
            observer.sent(turn, link, message)


def recurse(
    style: Style, channel: Channel[Reading, Thought, Message], observer: Observer, *, num_rounds: int
) -> Reading:
    """Run all rounds; returns what the answering agent has read in the last one."""
    fed_back: dict[LinkSpec, Message] = {}
    for round_number, stages in enumerate(style.schedule(num_rounds), start=1):
        sent: dict[LinkSpec, Message] = {}
        for role in chain.from_iterable(stages):
            turn = Turn(round_number, role, style.reads_feedback(role, round_number))
            inbound = style.inbound(role, with_feedback=round_number > 1)
            received = {link.slot: (fed_back if link.feedback else sent)[link] for link in inbound}
            with observer.stage(turn):
                reading = channel.read(turn, received)
                observer.read(turn, reading)
                if round_number == num_rounds and role == style.answering_role:
                    return reading
                thought = channel.think(turn, reading)
                observer.thought(turn, thought)
                for link in style.outbound(role, with_feedback=round_number < num_rounds):
                    sent[link] = channel.carry(turn, link, thought)
                    observer.sent(turn, link, sent[link])
        fed_back = sent
    raise AssertionError("the schedule's last round ends with the answering agent")

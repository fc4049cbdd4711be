"""What agents pass on: latents over trained links, or, as the baseline that the paper compares with, text.

Shapes: B batch, L latent steps, D_tgt a link's target's hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from recursivemas.agents.agent import Agent
from recursivemas.engine import Prompt, Thoughts, random_stream, rows_not_finite
from recursivemas.errors import UserError
from recursivemas.prompts import ChatPrompt
from recursivemas.question import Question
from recursivemas.recursion.answer import Draft, Writer
from recursivemas.recursion.loop import Turn
from recursivemas.recursion.prompts import Prepared, PromptWriter
from recursivemas.recursion.trace import Passage
from recursivemas.styles import LinkSpec

LatentMessage = Tensor
"""Latents [B, L, D_tgt] in the link's dtype, where the link is."""
TextMessage = tuple[Passage, ...]
"""A text a row."""


class Batch:
    """Prepared questions, a row each, and which of them could not go on.

    A row that has failed is carried along beside the others, which it does not touch, and counts for nothing.
    """

    def __init__(self, rows: Sequence[Prepared]) -> None:
        self.rows = list(rows)
        self.errors: dict[int, str] = {}
        """Why a question could not go on, by row."""

    def __len__(self) -> int:
        return len(self.rows)

    def question(self, row: int) -> Question:
        return self.rows[row].question

    @property
    def going(self) -> list[int]:
        """The rows that have not failed."""
        return [row for row in range(len(self.rows)) if row not in self.errors]

    def fail(self, row: int, error: str) -> None:
        """A row cannot go on; the first reason is the one that counts."""
        self.errors.setdefault(row, error)


@dataclass(frozen=True)
class Read:
    """An agent has read a prompt a row."""

    chats: tuple[ChatPrompt, ...]
    prompts: Sequence[Prompt]
    """The same with what fills their slots: what it goes on from."""
    latent_length: int
    """How many latents stand in each open slot."""


class LatentChannel:
    """Messages are thoughts that an outer link has carried over."""

    def __init__(
        self,
        agents: Mapping[str, Agent],
        outer_links: Mapping[tuple[str, str], Callable[[Tensor], Tensor]],
        batch: Batch,
        *,
        latent_length: int,
        tamper: Callable[[Turn, LinkSpec, Tensor], Tensor],
    ) -> None:
        self._agents = agents
        self._outer_links = outer_links
        self._batch = batch
        self._tamper = tamper
        self._latent_length = latent_length

    def read(self, turn: Turn, received: Mapping[str, LatentMessage]) -> Read:
        chats = tuple(prepared.chats[turn.role, turn.reads_feedback] for prepared in self._batch.rows)
        return Read(chats, self._agents[turn.role].fill(chats, received), self._latent_length)

    def think(self, turn: Turn, reading: Read) -> Thoughts:
        agent = self._agents[turn.role]
        thoughts = agent.engine.open(reading.prompts).think(agent.inner_link, self._latent_length)
        self._fail(thoughts.failed, f"round {turn.round}, {turn.role}: what it thinks")
        return thoughts

    def carry(self, turn: Turn, link: LinkSpec, thought: Thoughts) -> LatentMessage:
        message = self._outer_links[link.source, link.target](thought.latents)
        self._fail(rows_not_finite(message), f"round {turn.round}, {link}: the message")
        return self._tamper(turn, link, message)

    def _fail(self, rows: Iterable[int], what: str) -> None:
        for row in rows:
            self._batch.fail(row, explain_not_finite(self._batch.question(row), what))


class TextChannel:
    """Messages are texts: an agent writes where it would have thought, and its reader's prompt quotes it.

    A row fails where a prompt has outgrown its agent's context or cannot be written, or where a model gives
    no numbers. Nothing more is written on such a row.
    """

    def __init__(
        self,
        agents: Mapping[str, Agent],
        prompts: PromptWriter,
        writers: Mapping[str, Writer],
        batch: Batch,
        *,
        seed: int,
        max_new_tokens: int,
        on_step: Callable[[int], None],
    ) -> None:
        self._agents = agents
        self._prompts = prompts
        self._writers = writers
        self._batch = batch
        self._seed = seed
        self._max_new_tokens = max_new_tokens
        self._on_step = on_step

    def read(self, turn: Turn, received: Mapping[str, TextMessage]) -> Read:
        agent = self._agents[turn.role]
        key = (turn.role, turn.reads_feedback)
        asked = [
            (
                prepared.question,
                key,
                {slot: _quote(passages[row], agent) for slot, passages in received.items()},
            )
            for row, prepared in enumerate(self._batch.rows)
        ]
        written = self._prompts.write(asked)
        chats = tuple(self._fitting(turn, row, chat) for row, chat in enumerate(written))
        return Read(chats, agent.fill(chats, {}), latent_length=0)

    def _fitting(self, turn: Turn, row: int, chat: ChatPrompt | UserError) -> ChatPrompt:
        """A prompt with which the row can go on: its own, or, with its error noted, the one without texts."""
        question, agent = self._batch.question(row), self._agents[turn.role]
        if isinstance(chat, UserError):
            self._batch.fail(row, f"question {question.id!r} cannot go on: {chat}")
        elif misfit := self._prompts.explain_misfit(question, agent, chat, latent_length=0):
            self._batch.fail(row, misfit)
        else:
            return chat
        return self._batch.rows[row].chats[turn.role, turn.reads_feedback]

    def think(self, turn: Turn, reading: Read) -> dict[int, Draft]:
        """What the agent has written, by row."""
        drafts = {row: self._draft(turn, row) for row in self._batch.going}
        session = self._agents[turn.role].engine.open(reading.prompts)
        writer = self._writers[turn.role]
        for draft in writer.write(list(drafts.values()), session, on_step=self._on_step):
            if draft.failed:
                what = f"round {turn.round}, {turn.role}: what it would write"
                self._batch.fail(draft.row, explain_not_finite(self._batch.question(draft.row), what))
        return drafts

    def _draft(self, turn: Turn, row: int) -> Draft:
        question = self._batch.question(row)
        quirk = self._prompts.text_quirk(question, turn.role)
        limit = quirk.max_new_tokens
        return Draft(
            row,
            self._batch.rows[row].kind,
            random_stream(self._seed, f"{question.id}\0{turn.round}\0{turn.role}"),
            max_new_tokens=self._max_new_tokens if limit is None else min(limit, self._max_new_tokens),
            max_characters=quirk.max_characters,
        )

    def carry(self, turn: Turn, link: LinkSpec, thought: Mapping[int, Draft]) -> TextMessage:
        return tuple(
            thought[row].passage() if row in thought else Passage("", ()) for row in range(len(self._batch))
        )


def _quote(passage: Passage, reader: Agent) -> str:
    """A passage for the reader's prompt; what tools have put into it must not steer the reader's model."""
    text = passage.text.strip()
    return reader.without_controls(text) if passage.tool_calls else text


def explain_not_finite(question: Question, what: str) -> str:
    """Why a question cannot go on: `what` a model or link gives for it is not finite."""
    return (
        f"question {question.id!r}: {what} is not finite (NaN or infinite numbers): a weight is damaged, or "
        "the dtype is too narrow for this model; give --dtype bfloat16 or float32"
    )

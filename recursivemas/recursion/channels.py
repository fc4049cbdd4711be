"""What agents pass on: latents over trained links, or, as the baseline that the paper compares with, text.

Shapes: B batch, L latent steps, D_tgt a link's target's hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from recursivemas.agents.agent import Agent
from recursivemas.engine import PromptBatch, random_stream, roll_out, rows_not_finite
from recursivemas.errors import UserError
from recursivemas.links import OuterLink
from recursivemas.prompts import ChatPrompt
from recursivemas.question import Question
from recursivemas.recursion.answer import Draft, Writer
from recursivemas.recursion.prompts import Prepared, PromptWriter, Turn
from recursivemas.recursion.trace import MessageSize, Passage, StageUsage
from recursivemas.styles import LinkSpec, Style


def explain_not_finite(question: Question, what: str) -> str:
    """Why a question cannot go on: `what` a model or link gives for it is not finite."""
    return (
        f"question {question.id!r}: {what} is not finite (NaN or infinite numbers): a weight is damaged, or "
        "the dtype is too narrow for this model; give --dtype bfloat16 or float32"
    )


class UsageLog:
    """The usage of a batch's turns so far: one entry a question, by (round, role)."""

    def __init__(self) -> None:
        self.turns: dict[tuple[int, str], list[StageUsage]] = {}

    def read(self, round_number: int, role: str, chats: Sequence[ChatPrompt], latent_length: int) -> None:
        """The agent has read these prompts, with that many latents in each open slot."""
        self.turns[round_number, role] = [
            StageUsage(
                round=round_number,
                role=role,
                prompt_tokens=chat.num_text_tokens,
                latents_read=len(chat.slots) * latent_length,
            )
            for chat in chats
        ]

    def thought(self, round_number: int, role: str, latent_steps: int) -> None:
        """The agent has thought for that many steps on each question."""
        turn = (round_number, role)
        self.turns[turn] = [replace(row, latent_steps=latent_steps) for row in self.turns[turn]]

    def wrote(self, round_number: int, role: str, drafts: Mapping[int, Draft]) -> None:
        """The agent has written texts, by row."""
        rows = self.turns[round_number, role]
        for row, draft in drafts.items():
            rows[row] = replace(
                rows[row], generated_tokens=draft.num_sampled, result_tokens=draft.num_inserted
            )


class LatentMedium:
    """Messages are tensors [B, L, D_tgt]: thoughts that an outer link has carried over.

    With `keep_messages` they are kept on the CPU, for `messages_of`. `errors` says, by row, why a question
    could not go on: thoughts or a message were not finite. Such a row is carried along beside the others,
    which it does not touch, and counts for nothing.
    """

    def __init__(
        self,
        style: Style,
        agents: Mapping[str, Agent],
        outer_links: Mapping[tuple[str, str], OuterLink],
        batch: Sequence[Prepared],
        latent_length: int,
        *,
        keep_messages: bool,
    ) -> None:
        self.log = UsageLog()
        self._style = style
        self._agents = agents
        self._outer_links = outer_links
        self._batch = batch
        self._latent_length = latent_length
        self._keep_messages = keep_messages
        self.errors: dict[int, str] = {}
        self._messages: dict[tuple[int, LinkSpec], Tensor] = {}
        self._sizes: dict[tuple[int, LinkSpec], list[MessageSize]] = {}

    def read(self, round_number: int, role: str, received: Mapping[str, Tensor]) -> PromptBatch:
        turn = (role, self._style.reads_feedback(role, round_number))
        chats = [prepared.chats[turn] for prepared in self._batch]
        self.log.read(round_number, role, chats, self._latent_length)
        return self._agents[role].read(chats, received)

    def think(
        self, round_number: int, role: str, prompts: PromptBatch, links: Sequence[LinkSpec]
    ) -> dict[LinkSpec, Tensor]:
        agent = self._agents[role]
        rollout = roll_out(agent.backbone, agent.inner_link, prompts, self._latent_length)
        self.log.thought(round_number, role, self._latent_length)
        failed = rows_not_finite(rollout.hidden, rollout.thoughts)
        self._fail(failed, f"round {round_number}, {role}: what it thinks")
        sent = {}
        for link in links:
            message = self._outer_links[link.source, link.target](rollout.thoughts)
            self._fail(rows_not_finite(message), f"round {round_number}, {link}: the message")
            sent[link] = message
        self._sizes |= {(round_number, link): _sizes(message) for link, message in sent.items()}
        if self._keep_messages:
            self._messages |= {(round_number, link): message.cpu() for link, message in sent.items()}
        return sent

    def _fail(self, rows: Sequence[int], what: str) -> None:
        for row in rows:
            self.errors.setdefault(row, explain_not_finite(self._batch[row].question, what))

    def messages_of(self, row: int) -> dict[str, Tensor]:
        """One question's messages [L, D_tgt] by `r{round}/{source}->{target}`."""
        return {f"r{number}/{link}": message[row] for (number, link), message in self._messages.items()}

    def sizes_of(self, row: int) -> dict[str, MessageSize]:
        """The sizes of one question's messages, by the same names."""
        return {f"r{number}/{link}": sizes[row] for (number, link), sizes in self._sizes.items()}

    def passages_of(self, row: int) -> dict[str, Passage]:
        return {}


def _sizes(message: Tensor) -> list[MessageSize]:
    """Of each row of a message [B, L, D_tgt]."""
    num_rows, latent_length, width = message.shape
    precise = torch.promote_types(message.dtype, torch.float32)
    norms = message.norm(dim=-1, dtype=precise).mean(dim=-1) if latent_length else torch.zeros(num_rows)
    return [MessageSize((latent_length, width), float(f"{norm:.6g}")) for norm in norms.tolist()]


class TextMedium:
    """Messages are texts: an agent writes where it would have thought, and its reader's prompt quotes it.

    `errors` says, by row, why a question could not go on: a prompt had outgrown its agent's context or could
    not be written, or a model gave no numbers. Nothing more is written on such a row.
    """

    def __init__(
        self,
        style: Style,
        agents: Mapping[str, Agent],
        prompts: PromptWriter,
        writers: Mapping[str, Writer],
        batch: Sequence[Prepared],
        *,
        seed: int,
        max_new_tokens: int,
        on_step: Callable[[int], None] | None,
    ) -> None:
        self.log = UsageLog()
        self.errors: dict[int, str] = {}
        self._passages: dict[tuple[int, str], list[Passage]] = {}
        self._style = style
        self._agents = agents
        self._prompts = prompts
        self._writers = writers
        self._batch = batch
        self._seed = seed
        self._max_new_tokens = max_new_tokens
        self._on_step = on_step

    def read(self, round_number: int, role: str, received: Mapping[str, list[Passage]]) -> PromptBatch:
        agent, turn = self._agents[role], (role, self._style.reads_feedback(role, round_number))
        texts = [
            {slot: _quote(passages[row], agent) for slot, passages in received.items()}
            for row in range(len(self._batch))
        ]
        asked = [
            (prepared.question, turn, quoted) for prepared, quoted in zip(self._batch, texts, strict=True)
        ]
        written = self._prompts.write(asked)
        chats = [self._fitting(row, turn, chat) for row, chat in enumerate(written)]
        self.log.read(round_number, role, chats, latent_length=0)
        return agent.read(chats, {})

    def _fitting(self, row: int, turn: Turn, chat: ChatPrompt | UserError) -> ChatPrompt:
        """A prompt with which the row can go on: its own, or, with its error noted, the one without texts."""
        question, (role, _) = self._batch[row].question, turn
        if isinstance(chat, UserError):
            error = f"question {question.id!r} cannot go on: {chat}"
        elif misfit := self._prompts.explain_misfit(question, role, chat, latent_length=0):
            error = misfit
        else:
            return chat
        self.errors.setdefault(row, error)
        return self._batch[row].chats[turn]

    def think(
        self, round_number: int, role: str, prompts: PromptBatch, links: Sequence[LinkSpec]
    ) -> dict[LinkSpec, list[Passage]]:
        drafts = {
            row: Draft(
                prepared.kind,
                prompts.row(row),
                random_stream(self._seed, f"{prepared.question.id}\0{round_number}\0{role}"),
            )
            for row, prepared in enumerate(self._batch)
            if row not in self.errors
        }
        quirks = {row: self._prompts.text_quirk(self._batch[row].question, role) for row in drafts}
        if drafts:
            limits = [quirk.max_new_tokens for quirk in quirks.values() if quirk.max_new_tokens is not None]
            self._writers[role].write(
                list(drafts.values()),
                prompts.only(list(drafts)),
                min([self._max_new_tokens, *limits]),
                on_step=self._on_step,
            )
        passages = [Passage("", ())] * len(self._batch)
        for row, draft in drafts.items():
            text = draft.text
            if (limit := quirks[row].max_characters) is not None:
                text = text.strip()[:limit]
            passages[row] = Passage(text, tuple(draft.token_ids), tuple(draft.tool_calls))
            if draft.failed:
                what = f"round {round_number}, {role}: what it would write"
                self.errors[row] = explain_not_finite(self._batch[row].question, what)
        self._passages[round_number, role] = passages
        self.log.wrote(round_number, role, drafts)
        return dict.fromkeys(links, passages)

    def messages_of(self, row: int) -> dict[str, Tensor]:
        return {}

    def sizes_of(self, row: int) -> dict[str, MessageSize]:
        return {}

    def passages_of(self, row: int) -> dict[str, Passage]:
        """What agents passed on about one question, by `r{round}/{role}`."""
        return {f"r{number}/{role}": passages[row] for (number, role), passages in self._passages.items()}


def _quote(passage: Passage, reader: Agent) -> str:
    """A passage for the reader's prompt; what tools have put into it must not steer the reader's model."""
    text = passage.text.strip()
    return reader.without_controls(text) if passage.tool_calls else text

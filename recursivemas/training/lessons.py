"""What an agent learns from: a prompt, and the same conversation with the text that it should have written.

The span of a lesson begins where the prompt ends, counted in positions, and goes on to the end of the
conversation: what the template closes the turn with belongs to it. Source: docs/training.md, "Lessons".

Shapes: T a conversation's positions, D hidden size.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import torch
from torch import Tensor

from recursivemas.agents.agent import Agent
from recursivemas.engine.backbone import Backbone
from recursivemas.engine.stream import PromptBatch
from recursivemas.errors import UserError
from recursivemas.prompts import (
    ChatPrompt,
    ChatRenderer,
    Pieces,
    PromptRequest,
    PromptSource,
    Slot,
    TokenText,
)
from recursivemas.question import Question
from recursivemas.styles import Style
from recursivemas.training.rows import Target, TrainingRow

logger = logging.getLogger(__name__)

NO_TOKEN = -1
"""Stands for a latent among token ids."""


@dataclass(frozen=True)
class Lesson:
    """One agent's prompt on one question, and the conversation with its target text in it."""

    prompt: ChatPrompt
    full: ChatPrompt | None
    """None where the agent has no text to learn from."""
    num_after_cue: int = 0
    """How many of the conversation's last tokens stand behind the text proper, if it has a cue."""


@dataclass(frozen=True)
class Taught:
    """A conversation as the model reads it."""

    embeddings: Tensor
    """[T, D]."""
    ids: tuple[int, ...]
    """The token of each position, NO_TOKEN where a latent stands."""
    start: int
    """Where the span begins."""

    @property
    def end(self) -> int:
        return len(self.ids)

    def cut_left(self, max_length: int) -> Taught:
        """Its last `max_length` positions."""
        cut = max(self.end - max_length, 0)
        return Taught(self.embeddings[cut:], self.ids[cut:], max(self.start - cut, 0))


class LessonWriter:
    """Writes lessons for a style's agents; `roles` are those that it is asked for."""

    def __init__(
        self,
        style: Style,
        agents: Mapping[str, Agent],
        source: PromptSource,
        *,
        enable_thinking: bool = False,
    ) -> None:
        self._style = style
        self._source = source
        self._renderers = {
            role: ChatRenderer(agent.tokenizer, enable_thinking=enable_thinking)
            for role, agent in agents.items()
        }
        self._texts = {role: TokenText(agent.tokenizer) for role, agent in agents.items()}
        self._warned: set[str] = set()

    def with_slots(
        self, rows: Sequence[TrainingRow], role: str, *, feedback: bool
    ) -> list[Lesson | UserError]:
        """Lessons whose slots are open, for messages of latents."""
        return self._write(rows, role, feedback=feedback, texts=[None] * len(rows))

    def with_texts(self, rows: Sequence[TrainingRow], role: str) -> list[Lesson | UserError]:
        """First-round lessons with the other agents' target texts in the slots: what inner links learn from.

        Where the style says so, the slots' markers stand there as text instead.
        """
        if self._style.agent(role).learns_with_open_slots:
            return self._write(rows, role, feedback=False, texts=[None] * len(rows), mark_slots=True)
        inbound = self._style.inbound(role, with_feedback=False)
        texts = [{link.slot: row.targets[link.source].text for link in inbound} for row in rows]
        return self._write(rows, role, feedback=False, texts=texts)

    def _write(
        self,
        rows: Sequence[TrainingRow],
        role: str,
        *,
        feedback: bool,
        texts: Sequence[Mapping[str, str] | None],
        mark_slots: bool = False,
    ) -> list[Lesson | UserError]:
        prompt = self._style.agent(role).prompt
        marks = [self._texts[role].find_break(row.question.text) for row in rows]
        requests = [
            PromptRequest(
                prompt=prompt,
                question=self._broken(row.question, role, mark),
                feedback=feedback,
                texts=filled,
            )
            for row, mark, filled in zip(rows, marks, texts, strict=True)
        ]
        written = self._source.write(requests)
        if mark_slots:
            written = [self._marked(pieces, prompt) for pieces in written]
        return [
            self._lesson(role, pieces, row.targets.get(role), mark)
            for row, pieces, mark in zip(rows, written, marks, strict=True)
        ]

    def _broken(self, question: Question, role: str, mark: str | None) -> Question:
        """The question with what is spelled like a control token broken up, as at inference."""
        if mark is None:
            return question
        return replace(question, text=self._texts[role].break_controls(question.text, mark))

    def _marked(self, pieces: Pieces | UserError, prompt: str) -> Pieces | UserError:
        if isinstance(pieces, UserError):
            return pieces
        return [self._source.marker(prompt, one.name) if isinstance(one, Slot) else one for one in pieces]

    def _lesson(
        self, role: str, pieces: Pieces | UserError, target: Target | None, mark: str | None
    ) -> Lesson | UserError:
        if isinstance(pieces, UserError):
            return pieces
        spec, renderer = self._style.agent(role), self._renderers[role]
        system = self._source.system(spec.prompt, spec.tools)
        try:
            shown = renderer.render(system, pieces, broken_at=mark)
            if target is None:
                return Lesson(shown, None)
            full = renderer.render(system, pieces, reply=target.text + target.cue, broken_at=mark)
        except UserError as error:
            return error
        if role not in self._warned and not full.text.startswith(shown.text):
            self._warned.add(role)
            logger.warning(
                "the %s's chat template writes an assistant's turn otherwise than its generation prompt "
                "begins it, so the span of a lesson begins elsewhere than the target text",
                role,
            )
        return Lesson(shown, full, self._num_after_cue(role, full, target))

    def _num_after_cue(self, role: str, full: ChatPrompt, target: Target) -> int:
        if not target.cue or (place := full.text.rfind(target.cue)) < 0:
            return 0
        before = self._texts[role].tokenizer(full.text[:place], add_special_tokens=False).input_ids
        return full.num_text_tokens - len(before)


def teach(backbone: Backbone, lesson: Lesson, chat: ChatPrompt, messages: Mapping[str, Tensor]) -> Taught:
    """One of a lesson's conversations with `messages` [L, D] in its slots.

    The span begins where the lesson's prompt ends. Messages are cast to the model's dtype and keep their
    gradients.
    """
    texts = [segment for segment in chat.segments if not isinstance(segment, str)]
    embedded = iter(backbone.embed(list(chain.from_iterable(texts))).split([len(text) for text in texts]))
    pieces, ids = [], []
    for segment in chat.segments:
        if isinstance(segment, str):
            pieces.append(messages[segment].to(backbone.device, backbone.dtype))
            ids += [NO_TOKEN] * len(messages[segment])
        else:
            pieces.append(next(embedded))
            ids += segment
    start = lesson.prompt.num_text_tokens + sum(len(messages[slot]) for slot in lesson.prompt.slots)
    return Taught(torch.cat(pieces), tuple(ids), start)


def read_together(backbone: Backbone, rows: Sequence[Tensor]) -> list[Tensor]:
    """Embeddings [T_i, D] a row -> final hidden states [T_i, D] a row, read side by side."""
    batch = PromptBatch.left_pad(rows)
    states = backbone.states(batch.embeddings, batch.mask)  # [B, T, D]
    return [state[-len(row) :] for state, row in zip(states, rows, strict=True)]

"""What outer links learn: from the answering agent's loss, back through the whole recursion.

`recurse` runs here as it does where questions are solved, over a channel whose agents are shown what they
should have written. Source: docs/training.md, "Outer links".

Shapes: B rows, T_i a row's positions, L_i a message's length, D hidden size, D_tgt a link's target's, S the
positions of a span, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from recursivemas.agents.agent import Agent
from recursivemas.engine.backbone import Backbone
from recursivemas.engine.stream import PromptBatch, Stream, roll_out
from recursivemas.errors import UserError
from recursivemas.links import InnerLink
from recursivemas.recursion.loop import Observer, Turn, recurse
from recursivemas.styles import LinkSpec, Style
from recursivemas.training.lessons import Lesson, Taught, read_together, teach

Rows = tuple[Tensor, ...]
"""Latents [L_i, D] a row."""
LessonKey = tuple[str, bool]
"""(role, with feedback?)."""
Lessons = Mapping[LessonKey, Lesson]
"""All lessons of one row."""
CarryOver = Callable[[Turn, LinkSpec, Tensor], Tensor]
"""What makes a message [N, D_tgt] of thoughts [N, D]: an outer link."""


@dataclass(frozen=True, kw_only=True)
class MessageSettings:
    """What passes over the links while they learn."""

    messages: Literal["teacher", "rollout"] = "teacher"
    """`teacher`: the hidden states of the text that the agent should have written, as published; `rollout`:
    what the agent thinks after its prompt, as where questions are solved."""
    max_latent_tokens: int = 80
    """How many positions of a text pass at most, from its first on."""
    latent_length: int = 32
    """How many steps a rollout has."""
    through_rollout: bool = False
    """Whether gradients also pass from each step of a rollout to the ones before it."""
    max_length: int = 4096
    """Longest conversation; a longer one loses positions on the left."""
    gradient_checkpointing: bool = False
    """Whether layers are computed again on the way back, to need less memory."""


@dataclass
class RowNotes:
    """What is noted of a batch's rows while they are read, by their number."""

    cut: set[int] = field(default_factory=set)
    """Those of which a conversation was longer than `max_length`."""
    unfit: set[int] = field(default_factory=set)
    """Those of which nothing can be learnt: a target leaves no room for its prompt, or is empty."""


@dataclass
class Reading:
    """A batch of lessons with the messages that were received in their slots."""

    backbone: Backbone
    lessons: Sequence[Lesson]
    received: Mapping[str, Rows]
    settings: MessageSettings
    notes: RowNotes

    def _messages(self, row: int) -> dict[str, Tensor]:
        return {slot: messages[row] for slot, messages in self.received.items()}

    @cached_property
    def full(self) -> list[Taught]:
        """The conversations with their target texts."""
        taught = []
        for row, lesson in enumerate(self.lessons):
            assert lesson.full is not None
            one = teach(self.backbone, lesson, lesson.full, self._messages(row))
            taught.append(self._cut(row, one))
            if taught[-1].start in (0, taught[-1].end):
                self.notes.unfit.add(row)
        return taught

    @cached_property
    def states(self) -> list[Tensor]:
        """Hidden states [T_i, D] of `full`."""
        return self.read_together([one.embeddings for one in self.full])

    def read_together(self, rows: Sequence[Tensor]) -> list[Tensor]:
        """Hidden states [T_i, D] of embeddings [T_i, D]."""
        with checkpointed(self.backbone, self.settings.gradient_checkpointing):
            return read_together(self.backbone, rows)

    @cached_property
    def prompts(self) -> list[Tensor]:
        """The prompts alone, [T_i, D]."""
        prompts = []
        for row, lesson in enumerate(self.lessons):
            one = teach(self.backbone, lesson, lesson.prompt, self._messages(row))
            prompts.append(self._cut(row, one).embeddings)
        return prompts

    def _cut(self, row: int, taught: Taught) -> Taught:
        if taught.end > self.settings.max_length:
            self.notes.cut.add(row)
        return taught.cut_left(self.settings.max_length)

    def losses(self) -> Tensor:
        """Each row's mean cross-entropy over the tokens of its span, given all before them: [B].

        In float32, or in float64 for a float64 model. A row without such a token has loss NaN.
        """
        before: list[Tensor] = []
        ids: list[int] = []
        for one, states in zip(self.full, self.states, strict=True):
            first = max(one.start, 1)
            before.append(states[first - 1 : one.end - 1])
            ids += one.ids[first:]
        logits = self.backbone.logits(torch.cat(before))  # [S, V], the rows' spans one after another
        targets = torch.tensor(ids, dtype=torch.long, device=logits.device)
        each = F.cross_entropy(logits, targets, reduction="none").split([len(row) for row in before])
        return torch.stack([loss.mean() for loss in each])


class LearningChannel:
    """The recursion's channel while outer links learn; `lessons` are those of each row."""

    def __init__(
        self,
        agents: Mapping[str, Agent],
        carry_over: CarryOver,
        lessons: Sequence[Lessons],
        settings: MessageSettings,
    ) -> None:
        self._agents = agents
        self._backbones = {role: Backbone(agent.model) for role, agent in agents.items()}
        self._carry_over = carry_over
        self._lessons = lessons
        self._settings = settings
        self.notes = RowNotes()

    def read(self, turn: Turn, received: Mapping[str, Rows]) -> Reading:
        lessons = [row[turn.role, turn.reads_feedback] for row in self._lessons]
        return Reading(self._backbones[turn.role], lessons, received, self._settings, self.notes)

    def think(self, turn: Turn, reading: Reading) -> Rows:
        link = self._agents[turn.role].inner_link
        if self._settings.messages == "rollout":
            return think_ahead(reading, link, self._settings)
        return think_of_text(reading, link, self._settings.max_latent_tokens)

    def carry(self, turn: Turn, link: LinkSpec, thought: Rows) -> Rows:
        message = self._carry_over(turn, link, torch.cat(thought))
        return message.split([len(row) for row in thought])


@contextmanager
def checkpointed(backbone: Backbone, wanted: bool) -> Iterator[None]:
    """Layers keep nothing but what they read, inside, and are computed again on the way back.

    Only the layers themselves are in training mode, as this wants, not what is in them: no dropout comes with
    it. A rollout stands outside and keeps its cache. Raises UserError for a model that knows no such thing.
    """
    layers = [one for one in backbone.model.modules() if isinstance(one, GradientCheckpointingLayer)]
    if wanted and not layers:
        raise UserError(f"{type(backbone.model).__name__} knows no gradient_checkpointing; train without it")
    for layer in layers if wanted else ():
        layer.training = layer.gradient_checkpointing = True
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
    try:
        yield
    finally:
        for layer in layers if wanted else ():
            layer.training = layer.gradient_checkpointing = False


def think_of_text(reading: Reading, link: InnerLink, max_latent_tokens: int) -> Rows:
    """inner(H) at the span's own positions, the first so many of each row."""
    spans = [
        states[one.start :][:max_latent_tokens]
        for states, one in zip(reading.states, reading.full, strict=True)
    ]
    return link(torch.cat(spans)).split([len(span) for span in spans])


def think_ahead(reading: Reading, link: InnerLink, settings: MessageSettings) -> Rows:
    """The agent's own rollout: inner(h_1)..inner(h_L) after its prompt, for each row.

    Gradients pass from each thought to the prompt and the messages in it. What was fed back counts as given:
    the rollout, once known, is read again in one go, which gives the same numbers. With `through_rollout`
    they pass from step to step as well.
    """
    steps, backbone, prompts = settings.latent_length, reading.backbone, reading.prompts
    if steps == 0:
        nothing = torch.empty(0, backbone.hidden_size, dtype=link.dtype, device=backbone.device)
        return (nothing,) * len(prompts)
    needs_gradients = torch.is_grad_enabled() and any(prompt.requires_grad for prompt in prompts)
    if needs_gradients and settings.through_rollout:
        return _think_with_gradients(backbone, prompts, link, steps)
    with torch.no_grad():
        thoughts = roll_out(Stream(backbone, PromptBatch.left_pad(prompts)), link, steps).thoughts
    if not needs_gradients:  # [B, L, D]
        return tuple(thoughts)
    fed_back = thoughts[:, :-1].to(backbone.dtype)
    longer = [torch.cat([prompt, row]) for prompt, row in zip(prompts, fed_back, strict=True)]
    states = reading.read_together(longer)
    hidden = torch.stack([state[-steps:] for state in states])  # [B, L, D]
    return tuple(link(hidden))


def _think_with_gradients(backbone: Backbone, prompts: Sequence[Tensor], link: InnerLink, steps: int) -> Rows:
    """A rollout whose steps hand gradients on. Recurrent states change in place, so none is kept."""
    if not any(hasattr(layer, "recurrent_states") for layer in backbone.new_cache().layers):
        return tuple(roll_out(Stream(backbone, PromptBatch.left_pad(prompts)), link, steps).thoughts)
    sequences, thoughts = list(prompts), []
    for _ in range(steps):
        newest = torch.stack([states[-1] for states in read_together(backbone, sequences)])
        thoughts.append(link(newest))
        fed_back = thoughts[-1].to(backbone.dtype)
        sequences = [torch.cat([row, new[None]]) for row, new in zip(sequences, fed_back, strict=True)]
    return tuple(torch.stack(thoughts, dim=1))


@dataclass
class AnswerLosses(Observer):
    """The answering agent's loss in each round: that of the last one, with `every_round` also the others'."""

    role: str
    num_rounds: int
    every_round: bool
    by_round: dict[int, Tensor] = field(default_factory=dict)
    """[B] each, by round."""

    def read(self, turn: Turn, reading: Reading) -> None:
        if turn.role == self.role and (self.every_round or turn.round == self.num_rounds):
            self.by_round[turn.round] = reading.losses()

    def combine(self, earlier_weight: float) -> Tensor:
        """The last round's loss, and `earlier_weight` times the mean of the earlier ones': [B]."""
        last = self.by_round[self.num_rounds]
        earlier = [loss for number, loss in self.by_round.items() if number < self.num_rounds]
        return last + earlier_weight * torch.stack(earlier).mean(dim=0) if earlier else last


def answer_losses(
    style: Style, channel: LearningChannel, *, num_rounds: int, final_only: bool
) -> AnswerLosses:
    """Run all rounds over a batch of lessons; the answering agent's losses."""
    losses = AnswerLosses(style.answering_role, num_rounds, every_round=not final_only)
    recurse(style, channel, losses, num_rounds=num_rounds)
    return losses

"""What is noted of a question on its way: what each turn took, what agents passed on, what came of it.

Nothing here needs torch: a run's record is read where none is installed.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recursivemas.output.html import render
from recursivemas.question import Question
from recursivemas.recursion.messages import Lens, Message, Messages, MessageSize, find_message
from recursivemas.recursion.transcript import parts_of
from recursivemas.tools import ToolCall, without_calls
from recursivemas.values import Count, Moment, Number, Text

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class StageUsage:
    """What one question took in one agent's turn. Tokens are counted without padding."""

    round: Count
    role: Text
    prompt_tokens: Count = 0
    """Of text, read."""
    latents_read: Count = 0
    """Positions that messages filled."""
    latent_steps: Count = 0
    """Steps thought."""
    generated_tokens: Count = 0
    """Sampled: the retry's among them, end-of-sequence tokens not."""
    result_tokens: Count = 0
    """Read from tools."""
    positions_computed: Count = 0
    """Of all that it read, tokens and latents, the positions that the model ran: those of the prompt, of
    tools' results, of a retry's cue."""
    positions_reused: Count = 0
    """Those that were kept from before (docs/architecture.md, "Nothing is read twice")."""
    seconds: Number = 0.0
    """The batch's time divided evenly among its questions, waiting for tools included."""
    started: Moment | None = None
    """When the batch's turn began, the same for all of its questions and all rollouts of an answer."""
    ended: Moment | None = None
    """When the batch's turn was over; of an answer when its own text was finished."""


@dataclass(frozen=True)
class Passage:
    """A text that one agent passed on."""

    text: Text
    """What was written with the results of `tool_calls`, cut where the release cuts it (with its quirks)."""
    token_ids: tuple[Count, ...]
    """Those that it wrote, in its own tokenizer."""
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Solution:
    """What came of one question, in one rollout.

    Messages, passages and the usage of all turns before the answer stand with the first rollout.
    """

    question: Question
    rollout: int = 0
    text: str = ""
    """The answer as written, tools' results in their places; after a retry, the cue and what was written then
    stand at its end."""
    token_ids: tuple[int, ...] = ()
    """Those that were written: not the cue's, not the results'."""
    ended_by: str = ""
    """What ended the answer, before a retry: `stop`, `length`, or `calls` (one tool call too many)."""
    retried: bool = False
    """Whether no answer could be read, and it was asked for again."""
    past_context: bool = False
    """Whether the answer ran past the context that its model was made for, as the release lets it."""
    usage: tuple[StageUsage, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    """In order."""
    messages: Mapping[str, Tensor] = field(default_factory=dict)
    """Tensors [L, D_target] by `r{round}/{source}->{target}` that were kept (`save_latents`); a
    `Messages`, which says why where it has none."""
    message_sizes: Mapping[str, MessageSize] = field(default_factory=dict)
    """Of all messages, kept or not."""
    lenses: Mapping[str, Lens] = field(default_factory=dict)
    """All messages in words, by the same names, when that was asked for."""
    passages: Mapping[str, Passage] = field(default_factory=dict)
    """What agents passed on as text, by `r{round}/{role}`."""
    error: str | None = None
    """Why the question could not be run; all but the passages is empty then."""

    def __post_init__(self) -> None:
        messages = Messages(self.messages, self.message_sizes, self._why_no_messages)
        object.__setattr__(self, "messages", messages)

    def message(self, round: int, source: str, target: str) -> Message:
        """What `source` sent to `target` in that round, from 1.

        Raises UserError where there was no such message; so do its latents where they were not kept.
        """
        whose = f"the solution of {self.question.id!r}"
        name = find_message(self.message_sizes, whose, (round, source, target), self._why_no_messages)
        return Message(
            name=name,
            size=self.message_sizes[name],
            words=self.lenses.get(name),
            read_latents=lambda: self.messages[name],
        )

    @property
    def _why_no_messages(self) -> str:
        if self.error:
            return f"it could not be run ({self.error})"
        if self.rollout:
            return "messages stand with the first rollout"
        texts = f" ({', '.join(self.passages)})" if self.passages else ""
        return f"agents passed on no latents; what they passed on as text is in its passages{texts}"

    @property
    def own_text(self) -> str:
        """The text without tool calls and their results: what the agent is graded by."""
        return without_calls(self.text, self.tool_calls)

    def __repr__(self) -> str:
        told = f"error {reprlib.repr(self.error)}" if self.error else reprlib.repr(self.text)
        rollout = f", rollout {self.rollout}" if self.rollout else ""
        return f"<Solution of {self.question.id!r}{rollout}: {told}, {len(self.token_ids)} tokens>"

    def _repr_html_(self) -> str:
        """Question, answer with its boxes and tool calls marked, and what agents passed on."""
        return render("solution", solution=self, parts=parts_of(self.text, self.tool_calls))

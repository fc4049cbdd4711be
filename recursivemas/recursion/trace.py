"""What is noted of a question on its way: what each turn took, what agents passed on, what came of it.

Nothing here needs torch: a run's record is read where none is installed.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recursivemas.question import Question
from recursivemas.tools import ToolCall, without_calls
from recursivemas.values import Count, Number, Real, Text

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class StageUsage:
    """What one question took in one agent's turn.

    Tokens are counted without padding: `prompt_tokens` of text read, `latents_read` positions filled by
    messages, `latent_steps` thought, `generated_tokens` sampled (the retry's among them, end-of-sequence
    tokens not), `result_tokens` read from tools. `seconds` is the batch's time divided evenly among its
    questions, waiting for tools included.
    """

    round: Count
    role: Text
    prompt_tokens: Count = 0
    latents_read: Count = 0
    latent_steps: Count = 0
    generated_tokens: Count = 0
    result_tokens: Count = 0
    seconds: Number = 0.0


@dataclass(frozen=True)
class MessageSize:
    """A message's shape [L, D_tgt], and its latents' mean L2 norm to six digits (0 where there are none)."""

    shape: tuple[Count, Count]
    norm: Real


@dataclass(frozen=True)
class Passage:
    """A text that one agent passed on.

    `token_ids` are those that it wrote, in its own tokenizer: `text` also holds the results of `tool_calls`,
    and is cut where the release cuts it (with its quirks).
    """

    text: Text
    token_ids: tuple[Count, ...]
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Solution:
    """What came of one question, in one rollout.

    `text` is the answer as written, tools' results in their places; after a retry, the cue and what was
    written then stand at its end. `token_ids` are those that were written: not the cue's, not the results'.
    `tool_calls` are in order. `ended_by` says what ended the answer, before a retry: `stop`, `length`, or
    `calls` (one tool call too many); `past_context` tells that the answer ran past the context that its model
    was made for, as the release lets it. `messages` are tensors [L, D_target] by
    `r{round}/{source}->{target}`, when they were to be kept; `message_sizes` tells of all of them. `passages`
    are what agents passed on as text, by `r{round}/{role}`. Messages, passages and the usage of all turns
    before the answer stand with the first rollout. `error` says why the question could not be run; all but
    the passages is empty then.
    """

    question: Question
    rollout: int = 0
    text: str = ""
    token_ids: tuple[int, ...] = ()
    ended_by: str = ""
    retried: bool = False
    past_context: bool = False
    usage: tuple[StageUsage, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    messages: Mapping[str, Tensor] = field(default_factory=dict)
    message_sizes: Mapping[str, MessageSize] = field(default_factory=dict)
    passages: Mapping[str, Passage] = field(default_factory=dict)
    error: str | None = None

    @property
    def own_text(self) -> str:
        """The text without tool calls and their results: what the agent is graded by."""
        return without_calls(self.text, self.tool_calls)

    def __repr__(self) -> str:
        told = f"error {reprlib.repr(self.error)}" if self.error else reprlib.repr(self.text)
        rollout = f", rollout {self.rollout}" if self.rollout else ""
        return f"<Solution of {self.question.id!r}{rollout}: {told}, {len(self.token_ids)} tokens>"

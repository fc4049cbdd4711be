"""Writing text: an agent's words, and for answers the retry where none can be read from them.

Shapes: B batch, T prompt positions, D the answering agent's hidden size.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from recursivemas.agents.agent import Agent
from recursivemas.engine import NOT_FINITE, Generated, PromptBatch, SamplingSettings, decode, random_stream
from recursivemas.grading import has_answer, release_has_answer
from recursivemas.prompts import PromptSource
from recursivemas.question import CODE_KINDS, Question, TaskKind
from recursivemas.recursion.tool_calls import ToolCalling
from recursivemas.settings import SolveSettings
from recursivemas.tools import Request, Toolbox, ToolCall, as_block, without_calls

RETRY_TOKENS = 16
CODE_RETRY_TOKENS = 256
"""How much the answer retry may write (docs/protocol.md, "Answer retry")."""


@dataclass
class Draft:
    """One row's text while it is being written: after `prompt` [T, D], with the row's own random stream.

    `sequence` is all that follows the prompt, as token ids; `token_ids` are those among them that were
    written: neither a tool's results nor a retry's cue, nor the end-of-sequence token. `num_sampled` counts
    the tokens that writing took. `ended_by` says what ended it, before a retry: `stop`, `length`, or `calls`
    (one tool call too many). It has `failed` where the model gave no numbers to go on from.
    """

    kind: TaskKind
    prompt: Tensor
    stream: random.Random
    sequence: list[int] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    num_sampled: int = 0
    num_inserted: int = 0
    text: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    ended_by: str = ""
    retried: bool = False
    failed: bool = False

    @property
    def own_text(self) -> str:
        """The text without tool calls and their results: what an answer may be read from."""
        return without_calls(self.text, self.tool_calls)


class Writer:
    """Writes text with one agent under one set of settings, and with tools where it is given some."""

    def __init__(
        self, agent: Agent, source: PromptSource, settings: SolveSettings, toolbox: Toolbox | None
    ) -> None:
        self._agent = agent
        self._source = source
        self._settings = settings
        self._toolbox = toolbox
        self._sampling: SamplingSettings = settings.sampling.resolve(agent.model.generation_config)

    def answer(
        self,
        questions: Sequence[Question],
        kinds: Sequence[TaskKind],
        prompts: PromptBatch,
        *,
        rollout: int,
        on_step: Callable[[int], None] | None = None,
    ) -> list[Draft]:
        """One answer a question, written after its prompt; where none can be read, it is asked for again.

        Rollout r uses the random numbers of seed sample_seed + r (docs/protocol.md, "Settings"). `on_step` is
        told after each token how many answers go on.
        """
        quirks = self._settings.release_quirks
        answers = [
            Draft(
                question.kind if quirks else kind,  # Release: what a prompt looks like does not matter here
                prompts.row(row),
                random_stream(self._settings.sample_seed + rollout, question.id),
            )
            for row, (question, kind) in enumerate(zip(questions, kinds, strict=True))
        ]
        self.write(answers, prompts, self._settings.max_new_tokens, on_step=on_step)
        can_read = release_has_answer if quirks else has_answer
        unread = [
            answer
            for answer, question in zip(answers, questions, strict=True)
            if not (answer.failed or can_read(answer.own_text, question))
        ]
        self._retry([answer for answer in unread if answer.kind in CODE_KINDS], CODE_RETRY_TOKENS)
        self._retry([answer for answer in unread if answer.kind not in CODE_KINDS], RETRY_TOKENS)
        return answers

    def _retry(self, answers: Sequence[Draft], max_new_tokens: int) -> None:
        """Append its cue to each answer and go on writing, without tools: it is time to answer."""
        if not answers:
            return
        ask = self._ask_bare if self._settings.release_quirks else self._ask
        asked = [ask(answer, self._source.retry_cue(answer.kind)) for answer in answers]
        rows, histories = zip(*asked, strict=True)
        self._write(answers, PromptBatch.left_pad(rows), max_new_tokens, histories)

    def _ask(self, answer: Draft, cue: str) -> tuple[Tensor, list[int]]:
        """What the retry goes on from: all that there was, then the cue; and what counts as said before."""
        ids = self._append_cue(answer, cue if cue.startswith("\n") else f"\n{cue}")
        so_far = self._agent.backbone.embed(answer.sequence)
        return torch.cat([answer.prompt, so_far]), [*answer.token_ids, *ids]

    def _ask_bare(self, answer: Draft, cue: str) -> tuple[Tensor, list[int]]:
        """The release goes on from the bare text: no chat, no latents (docs/protocol.md, "Answer retry")."""
        answer.text = answer.text.rstrip()
        self._append_cue(answer, "\n" + cue.lstrip("\n"))
        ids = list(self._agent.tokenizer(self._disarmed_text(answer)).input_ids)
        return self._agent.backbone.embed(ids), ids

    def _append_cue(self, answer: Draft, cue: str) -> list[int]:
        ids = self._agent.token_ids(cue)
        answer.retried = True
        answer.text += cue
        answer.sequence += ids
        return ids

    def _disarmed_text(self, answer: Draft) -> str:
        """The text, with what is spelled like a control token in a tool's result broken up."""
        pieces, end = [], 0
        for call in answer.tool_calls:
            pieces += [
                answer.text[end : call.start],
                self._agent.without_controls(answer.text[call.start : call.end]),
            ]
            end = call.end
        return "".join([*pieces, answer.text[end:]])

    def write(
        self,
        drafts: Sequence[Draft],
        prompts: PromptBatch,
        max_new_tokens: int,
        *,
        on_step: Callable[[int], None] | None = None,
    ) -> None:
        """Decode after the prompts and append to the drafts; calls of tools are answered on the way."""
        calling = ToolCalling(self._agent, self._toolbox, len(drafts)) if self._toolbox else None
        self._write(drafts, prompts, max_new_tokens, on_step=on_step, calling=calling)

    def _write(
        self,
        drafts: Sequence[Draft],
        prompts: PromptBatch,
        max_new_tokens: int,
        histories: Sequence[Sequence[int]] = (),
        on_step: Callable[[int], None] | None = None,
        calling: ToolCalling | None = None,
    ) -> None:
        decoded = decode(
            self._agent.backbone,
            prompts,
            streams=[draft.stream for draft in drafts],
            settings=self._sampling,
            max_new_tokens=max_new_tokens,
            stop_ids=self._agent.stop_ids,
            histories=histories,
            on_step=on_step,
            pauses=calling,
            rejoin_every=self._settings.rejoin_every,
        )
        for row, (draft, generated) in enumerate(zip(drafts, decoded, strict=True)):
            self._append(draft, generated, calling.answered[row] if calling else ())

    def _append(
        self, draft: Draft, generated: Generated, answered: Sequence[tuple[Request, ToolCall]]
    ) -> None:
        """What was written and what tools gave, in order."""
        results = iter(answered)
        for segment in generated.segments:
            if segment.written:
                draft.token_ids += segment.token_ids
                draft.text += self._agent.text(segment.token_ids, after=draft.sequence)
            else:  # it stands right behind the closing tag of its call
                request, call = next(results)
                start = len(draft.text) - (request.end - request.start)
                draft.num_inserted += len(segment.token_ids)
                draft.text += as_block(call.result)
                draft.tool_calls.append(replace(call, start=start, end=len(draft.text)))
            draft.sequence += segment.token_ids
        draft.num_sampled += generated.num_sampled
        draft.failed = generated.ended_by == NOT_FINITE
        draft.ended_by = draft.ended_by or generated.ended_by

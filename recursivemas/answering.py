"""Writing text: an agent's words, and for answers the retry where none can be read from them.

Shapes: B batch, T prompt positions, D the answering agent's hidden size.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from recursivemas.agent import Agent
from recursivemas.engine import PromptBatch, SamplingSettings, decode, random_stream
from recursivemas.grading import has_answer
from recursivemas.prompts import PromptPack
from recursivemas.question import CODE_KINDS, Question, TaskKind
from recursivemas.settings import SolveSettings

RETRY_TOKENS = 16
CODE_RETRY_TOKENS = 256
"""How much the answer retry may write (protocol section 3, "Answer retry")."""


@dataclass
class Draft:
    """One row's text while it is being written: after `prompt` [T, D], with the row's own random stream.

    `token_ids` are those that were written: the end-of-sequence token and a retry's cue are not among them.
    `ended_by` is `stop` or `length`.
    """

    kind: TaskKind
    prompt: Tensor
    stream: random.Random
    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    ended_by: str = ""
    retried: bool = False


class Writer:
    """Writes text with one agent under one set of settings."""

    def __init__(self, agent: Agent, pack: PromptPack, settings: SolveSettings) -> None:
        self._agent = agent
        self._pack = pack
        self._settings = settings
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

        Rollout r of seed s uses the random numbers of seed s + r (protocol section 4, "pass@k"). `on_step` is
        told after each token how many answers go on.
        """
        answers = [
            Draft(kind, prompts.row(row), random_stream(self._settings.seed + rollout, question.id))
            for row, (question, kind) in enumerate(zip(questions, kinds, strict=True))
        ]
        self.write(answers, prompts, self._settings.max_new_tokens, on_step=on_step)
        unread = [
            answer
            for answer, question in zip(answers, questions, strict=True)
            if not has_answer(answer.text, answer.kind, len(question.options))
        ]
        self._retry([answer for answer in unread if answer.kind in CODE_KINDS], CODE_RETRY_TOKENS)
        self._retry([answer for answer in unread if answer.kind not in CODE_KINDS], RETRY_TOKENS)
        return answers

    def _retry(self, answers: Sequence[Draft], max_new_tokens: int) -> None:
        """Append its cue to each answer and go on writing."""
        if not answers:
            return
        agent, embed = self._agent, self._agent.backbone.embed
        rows, histories = [], []
        for answer in answers:
            cue = self._pack.retry_cue(answer.kind)
            answer.text += cue
            answer.retried = True
            if self._settings.release_quirks:
                # Release: goes on from the bare text (protocol section 5, item 3).
                histories.append(list(agent.tokenizer(answer.text).input_ids))
                rows.append(embed(histories[-1]))
            else:
                histories.append([*answer.token_ids, *agent.token_ids(cue)])
                rows.append(torch.cat([answer.prompt, embed(histories[-1])]))
        self.write(answers, PromptBatch.left_pad(rows), max_new_tokens, histories)

    def write(
        self,
        drafts: Sequence[Draft],
        prompts: PromptBatch,
        max_new_tokens: int,
        histories: Sequence[Sequence[int]] = (),
        on_step: Callable[[int], None] | None = None,
    ) -> None:
        """Decode after the prompts and append to the drafts."""
        decoded = decode(
            self._agent.backbone,
            prompts,
            streams=[draft.stream for draft in drafts],
            settings=self._sampling,
            max_new_tokens=max_new_tokens,
            stop_ids=self._agent.stop_ids,
            histories=histories,
            on_step=on_step,
        )
        for draft, more in zip(drafts, decoded, strict=True):
            draft.token_ids += more.token_ids
            draft.text += self._text(more.token_ids)
            draft.ended_by = more.ended_by

    def _text(self, token_ids: Sequence[int]) -> str:
        return str(self._agent.tokenizer.decode(token_ids, skip_special_tokens=True))

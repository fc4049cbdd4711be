"""From questions to answers: prompts, the recursion, the last agent's text, the answer retry.

Shapes: B batch, L latent steps, T prompt positions, D_target a link's target's hidden size.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from recursivemas.agent import Agent
from recursivemas.engine import PromptBatch, decode, random_stream
from recursivemas.grading import has_answer
from recursivemas.ledger import Ledger, StageUsage, Watcher
from recursivemas.links import OuterLink
from recursivemas.prompts import ChatPrompt, ChatRenderer, PromptPack
from recursivemas.question import CODE_KINDS, Question, TaskKind
from recursivemas.recursion import recurse
from recursivemas.settings import SolveSettings
from recursivemas.styles import Style

RETRY_TOKENS = 16
CODE_RETRY_TOKENS = 256
"""How much the answer retry may write (protocol section 3, "Answer retry")."""


@dataclass(frozen=True, kw_only=True)
class Solution:
    """What came of one question.

    `text` is the answer as written; after a retry, the cue and what was written then stand at its end.
    `token_ids` are those that were written, the cue's not among them. `ended_by` is
    `stop` or `length`. `messages` are tensors [L, D_target] by `r{round}/{source}->{target}`, when they were
    to be kept. `error` says why the question could not be run; the rest is empty then.
    """

    question: Question
    text: str = ""
    token_ids: tuple[int, ...] = ()
    ended_by: str = ""
    retried: bool = False
    usage: tuple[StageUsage, ...] = ()
    messages: Mapping[str, Tensor] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A question with the kind of answer it asks for, and the prompt of each (role, with feedback)."""

    question: Question
    kind: TaskKind
    chats: Mapping[tuple[str, bool], ChatPrompt]


@dataclass
class _Answer:
    """One row's answer while it is being written: after `prompt` [T, D], with the row's own random stream."""

    kind: TaskKind
    prompt: Tensor
    stream: random.Random
    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    ended_by: str = ""
    retried: bool = False


class Solver:
    """Solves batches of questions with loaded agents under one set of settings."""

    def __init__(
        self,
        style: Style,
        agents: Mapping[str, Agent],
        outer_links: Mapping[tuple[str, str], OuterLink],
        pack: PromptPack,
        settings: SolveSettings,
    ) -> None:
        self._style = style
        self._agents = agents
        self._outer_links = outer_links
        self._pack = pack
        self._settings = settings
        self._answerer = agents[style.answering_role]
        self._sampling = settings.sampling.resolve(self._answerer.model.generation_config)
        self._schedule = style.schedule(settings.num_recursive_rounds)
        self._renderers = {
            role: ChatRenderer(agent.tokenizer, enable_thinking=settings.enable_thinking)
            for role, agent in agents.items()
        }

    def prepare(self, question: Question) -> Prepared | Solution:
        """Every prompt of a question; a solution with its error if one does not fit its agent's context."""
        turns = {turn for number in range(1, len(self._schedule) + 1) for turn in self._turns(number)}
        chats = {turn: self._write_prompt(question, *turn) for turn in sorted(turns)}
        for (role, _), chat in chats.items():
            if error := _too_long(question, self._agents[role], chat, self._settings.latent_length):
                return Solution(question=question, error=error)
        return Prepared(question, self._kind(question, self._answerer.role), chats)

    @torch.no_grad()
    def solve(self, batch: Sequence[Prepared], watcher: Watcher | None = None) -> list[Solution]:
        """The answers of a batch of questions. `watcher` is told how it is getting on."""
        settings = self._settings
        ledger = Ledger(
            {role: agent.device for role, agent in self._agents.items()},
            keep_messages=settings.save_latents,
            watcher=watcher,
        )
        final = recurse(
            self._style,
            self._agents,
            self._outer_links,
            lambda role, with_feedback: [prepared.chats[role, with_feedback] for prepared in batch],
            num_rounds=settings.num_recursive_rounds,
            latent_length=settings.latent_length,
            observer=ledger,
        )
        with ledger.stage(settings.num_recursive_rounds, self._answerer.role):
            answers = self._answer(batch, final, watcher)
        return [
            Solution(
                question=prepared.question,
                text=answer.text,
                token_ids=tuple(answer.token_ids),
                ended_by=answer.ended_by,
                retried=answer.retried,
                usage=self._usage(prepared, ledger, len(answer.token_ids), len(batch)),
                messages=ledger.messages_of(row),
            )
            for row, (prepared, answer) in enumerate(zip(batch, answers, strict=True))
        ]

    def _turns(self, round_number: int) -> list[tuple[str, bool]]:
        """(role, with feedback) of each agent's turn in a round."""
        return [
            (role, self._style.reads_feedback(role, round_number))
            for role in self._schedule[round_number - 1]
        ]

    def _kind(self, question: Question, role: str) -> TaskKind:
        return self._pack.kind_of(question, self._style.agent(role).prompt)

    def _write_prompt(self, question: Question, role: str, with_feedback: bool) -> ChatPrompt:
        spec, kind = self._style.agent(role), self._kind(question, role)
        if self._settings.release_quirks and with_feedback and kind in CODE_KINDS:
            kind = spec.release_feedback_kind or kind
        template = self._pack.template(spec.prompt, kind, feedback=with_feedback)
        return self._renderers[role].render(self._pack.system(spec.prompt), template.render(question))

    def _answer(
        self, batch: Sequence[Prepared], final: PromptBatch, watcher: Watcher | None
    ) -> list[_Answer]:
        """Decode the answers; where none can be read from the text, ask once more."""
        answers = [
            _Answer(prepared.kind, final.row(row), random_stream(self._settings.seed, prepared.question.id))
            for row, prepared in enumerate(batch)
        ]
        on_step = watcher.token if watcher else None
        self._write(answers, final, self._settings.max_new_tokens, on_step=on_step)
        unread = [
            answer
            for answer, prepared in zip(answers, batch, strict=True)
            if not has_answer(answer.text, answer.kind, len(prepared.question.options))
        ]
        self._retry([answer for answer in unread if answer.kind in CODE_KINDS], CODE_RETRY_TOKENS)
        self._retry([answer for answer in unread if answer.kind not in CODE_KINDS], RETRY_TOKENS)
        return answers

    def _retry(self, answers: Sequence[_Answer], max_new_tokens: int) -> None:
        """Append its cue to each answer and go on writing."""
        if not answers:
            return
        agent, embed = self._answerer, self._answerer.backbone.embed
        rows, histories = [], []
        for answer in answers:
            cue = self._pack.retry_cue(answer.kind)
            answer.text += cue
            answer.retried = True
            if (
                self._settings.release_quirks
            ):  # Release: goes on from the bare text (protocol section 5, item 3)
                histories.append(list(agent.tokenizer(answer.text).input_ids))
                rows.append(embed(histories[-1]))
            else:
                histories.append([*answer.token_ids, *agent.token_ids(cue)])
                rows.append(torch.cat([answer.prompt, embed(histories[-1])]))
        self._write(answers, PromptBatch.left_pad(rows), max_new_tokens, histories)

    def _write(
        self,
        answers: Sequence[_Answer],
        prompts: PromptBatch,
        max_new_tokens: int,
        histories: Sequence[Sequence[int]] = (),
        on_step: Callable[[int], None] | None = None,
    ) -> None:
        """Decode after the prompts and append to the answers."""
        decoded = decode(
            self._answerer.backbone,
            prompts,
            streams=[answer.stream for answer in answers],
            settings=self._sampling,
            max_new_tokens=max_new_tokens,
            stop_ids=self._answerer.stop_ids,
            histories=histories,
            on_step=on_step,
        )
        for answer, more in zip(answers, decoded, strict=True):
            answer.token_ids += more.token_ids
            answer.text += self._text(more.token_ids)
            answer.ended_by = more.ended_by

    def _text(self, token_ids: Sequence[int]) -> str:
        return str(self._answerer.tokenizer.decode(token_ids, skip_special_tokens=True))

    def _usage(
        self, prepared: Prepared, ledger: Ledger, generated: int, batch_size: int
    ) -> tuple[StageUsage, ...]:
        latent_length, last = self._settings.latent_length, len(self._schedule)
        usage = []
        for number in range(1, last + 1):
            for role, with_feedback in self._turns(number):
                chat = prepared.chats[role, with_feedback]
                answers = number == last and role == self._answerer.role
                usage.append(
                    StageUsage(
                        round=number,
                        role=role,
                        prompt_tokens=chat.num_text_tokens,
                        latents_read=len(chat.slots) * latent_length,
                        latent_steps=0 if answers else latent_length,
                        generated_tokens=generated if answers else 0,
                        seconds=ledger.seconds[number, role] / batch_size,
                    )
                )
        return tuple(usage)


def _too_long(question: Question, agent: Agent, chat: ChatPrompt, latent_length: int) -> str | None:
    """Why a prompt does not fit its agent's context, None if it does."""
    length, limit = chat.length(latent_length), agent.backbone.max_positions
    if limit is None or length <= limit:
        return None
    return (
        f"question {question.id!r} is too long for the {agent.role} ({agent.repo_id}): its prompt takes "
        f"{length} positions ({chat.num_text_tokens} tokens and {length - chat.num_text_tokens} latents), "
        f"the model's context has {limit}. Shorten the question or lower latent_length; the other questions "
        "are not affected."
    )

"""From questions to answers: prompts, the recursion, the last agent's text, the answer retry.

Shapes: B batch, L latent steps, T prompt positions, D_target a link's target's hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from recursivemas.agent import Agent
from recursivemas.answering import Answer, Writer
from recursivemas.engine import PromptBatch
from recursivemas.ledger import Ledger, StageUsage, Watcher
from recursivemas.links import OuterLink
from recursivemas.prompts import ChatPrompt, ChatRenderer, PromptPack
from recursivemas.question import CODE_KINDS, Question, TaskKind
from recursivemas.recursion import recurse
from recursivemas.settings import SolveSettings
from recursivemas.styles import Style


@dataclass(frozen=True, kw_only=True)
class Solution:
    """What came of one question, in one rollout.

    `text` is the answer as written; after a retry, the cue and what was written then stand at its end.
    `token_ids` are those that were written, the cue's not among them. `ended_by` is
    `stop` or `length`. `messages` are tensors [L, D_target] by `r{round}/{source}->{target}`, when they were
    to be kept. `error` says why the question could not be run; the rest is empty then.
    """

    question: Question
    rollout: int = 0
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
        self._answerer = style.answering_role
        self._writer = Writer(agents[self._answerer], pack, settings)
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
        return Prepared(question, self._kind(question, self._answerer), chats)

    @torch.no_grad()
    def solve(self, batch: Sequence[Prepared], watcher: Watcher | None = None) -> list[Solution]:
        """The answers of a batch of questions, each question's rollouts side by side.

        The rounds run once; only the last agent's text is written once a rollout. `watcher` is told how the
        batch is getting on.
        """
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
        return [
            solution
            for row in zip(
                *(self._rollout(batch, final, ledger, rollout) for rollout in range(settings.num_rollouts)),
                strict=True,
            )
            for solution in row
        ]

    def _rollout(
        self, batch: Sequence[Prepared], final: PromptBatch, ledger: Ledger, rollout: int
    ) -> list[Solution]:
        """One answer to each question. The thinking before it counts as the first rollout's."""
        with ledger.stage(len(self._schedule), self._answerer):
            answers = self._writer.answer(
                [prepared.question for prepared in batch],
                [prepared.kind for prepared in batch],
                final,
                rollout=rollout,
                on_step=ledger.token,
            )
        seconds = ledger.take_seconds()
        return [
            Solution(
                question=prepared.question,
                rollout=rollout,
                text=answer.text,
                token_ids=tuple(answer.token_ids),
                ended_by=answer.ended_by,
                retried=answer.retried,
                usage=self._usage(
                    prepared, answer, rollout, {turn: s / len(batch) for turn, s in seconds.items()}
                ),
                messages=ledger.messages_of(row) if rollout == 0 else {},
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

    def _usage(
        self, prepared: Prepared, answer: Answer, rollout: int, seconds: Mapping[tuple[int, str], float]
    ) -> tuple[StageUsage, ...]:
        latent_length, last = self._settings.latent_length, len(self._schedule)
        usage = []
        for number in range(1 if rollout == 0 else last, last + 1):
            for role, with_feedback in self._turns(number):
                chat = prepared.chats[role, with_feedback]
                answers = number == last and role == self._answerer
                if rollout > 0 and not answers:
                    continue
                usage.append(
                    StageUsage(
                        round=number,
                        role=role,
                        prompt_tokens=chat.num_text_tokens if rollout == 0 else 0,
                        latents_read=len(chat.slots) * latent_length if rollout == 0 else 0,
                        latent_steps=0 if answers else latent_length,
                        generated_tokens=len(answer.token_ids) if answers else 0,
                        seconds=seconds[number, role],
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

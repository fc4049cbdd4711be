"""From questions to answers: prompts, the recursion, the last agent's text.

Shapes: L latent steps, D_target a link's target's hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from recursivemas.agents.agent import Agent
from recursivemas.engine import PromptBatch
from recursivemas.errors import UserError
from recursivemas.links import OuterLink
from recursivemas.prompts import PromptSource
from recursivemas.question import Question
from recursivemas.recursion.answer import Draft, Writer
from recursivemas.recursion.channels import (
    LatentMedium,
    TextMedium,
    explain_not_finite,
)
from recursivemas.recursion.clock import Ledger, Watcher
from recursivemas.recursion.loop import recurse
from recursivemas.recursion.prompts import Prepared, PromptWriter
from recursivemas.recursion.trace import Solution, StageUsage
from recursivemas.settings import SolveSettings
from recursivemas.styles import Style
from recursivemas.tools import Toolbox


class Solver:
    """Solves batches of questions with loaded agents under one set of settings.

    Agents have those tools of `toolbox` that the style gives them.
    """

    def __init__(
        self,
        style: Style,
        agents: Mapping[str, Agent],
        outer_links: Mapping[tuple[str, str], OuterLink],
        source: PromptSource,
        settings: SolveSettings,
        toolbox: Toolbox | None = None,
    ) -> None:
        self._style = style
        self._agents = agents
        self._outer_links = outer_links
        self._settings = settings
        boxes = {spec.role: toolbox.only(spec.tools) if toolbox else None for spec in style.agents}
        tools = {role: box.names if box else () for role, box in boxes.items()}
        self._prompts = PromptWriter(style, agents, source, settings, tools)
        self._writers = {role: Writer(agent, source, settings, boxes[role]) for role, agent in agents.items()}

    def prepare(self, questions: Sequence[Question]) -> list[Prepared | Solution]:
        """Every prompt of each question; a solution with its error where one is not to be had or too long."""
        return [
            self._refuse(question, prepared)
            for question, prepared in zip(questions, self._prompts.prepare(questions), strict=True)
        ]

    def _refuse(self, question: Question, prepared: Prepared | UserError) -> Prepared | Solution:
        if isinstance(prepared, UserError):
            return Solution(question=question, error=f"question {question.id!r} cannot run: {prepared}")
        latent_length = self._settings.latent_length if self._settings.mode == "latent" else 0
        for (role, _), chat in prepared.chats.items():
            if misfit := self._prompts.explain_misfit(question, role, chat, latent_length):
                return Solution(question=question, error=misfit)
        return prepared

    @torch.no_grad()
    def solve(self, batch: Sequence[Prepared], watcher: Watcher | None = None) -> list[Solution]:
        """The answers of a batch of questions, each question's rollouts side by side.

        The rounds run once; only the last agent's text is written once a rollout. `watcher` is told how the
        batch is getting on.
        """
        ledger = Ledger({role: agent.device for role, agent in self._agents.items()}, watcher)
        medium = self._medium(batch, ledger)
        final = recurse(self._style, medium, num_rounds=self._settings.num_recursive_rounds, observer=ledger)
        rollouts = [
            self._answer(batch, final, medium, ledger, rollout)
            for rollout in range(self._settings.num_rollouts)
        ]
        return [solution for row in zip(*rollouts, strict=True) for solution in row]

    def _medium(self, batch: Sequence[Prepared], ledger: Ledger) -> LatentMedium | TextMedium:
        settings = self._settings
        if settings.mode == "text":
            return TextMedium(
                self._style,
                self._agents,
                self._prompts,
                self._writers,
                batch,
                seed=settings.seed,
                max_new_tokens=settings.max_new_tokens,
                on_step=ledger.token,
            )
        return LatentMedium(
            self._style,
            self._agents,
            self._outer_links,
            batch,
            settings.latent_length,
            keep_messages=settings.save_latents,
        )

    def _answer(
        self,
        batch: Sequence[Prepared],
        final: PromptBatch,
        medium: LatentMedium | TextMedium,
        ledger: Ledger,
        rollout: int,
    ) -> list[Solution]:
        """One answer to each question."""
        turn = (self._settings.num_recursive_rounds, self._style.answering_role)
        rows = [row for row in range(len(batch)) if row not in medium.errors]
        drafts: list[Draft] = []
        with ledger.stage(*turn):
            if rows:
                drafts = self._writers[turn[1]].answer(
                    [batch[row].question for row in rows],
                    [batch[row].kind for row in rows],
                    final.only(rows),
                    rollout=rollout,
                    on_step=ledger.token,
                )
        seconds = {turn: time / len(batch) for turn, time in ledger.take_seconds().items()}
        written = dict(zip(rows, drafts, strict=True))
        what = f"round {turn[0]}, {turn[1]}: what it would write"
        errors = {
            **medium.errors,
            **{
                row: explain_not_finite(batch[row].question, what)
                for row, draft in written.items()
                if draft.failed
            },
        }
        return [
            Solution(
                question=prepared.question,
                rollout=rollout,
                passages=medium.passages_of(row) if rollout == 0 else {},
                error=errors[row],
            )
            if row in errors
            else self._solution(prepared, written[row], medium, row, rollout, seconds)
            for row, prepared in enumerate(batch)
        ]

    def _solution(
        self,
        prepared: Prepared,
        draft: Draft,
        medium: LatentMedium | TextMedium,
        row: int,
        rollout: int,
        seconds: Mapping[tuple[int, str], float],
    ) -> Solution:
        answer_turn = (self._settings.num_recursive_rounds, self._style.answering_role)
        usage = {turn: rows[row] for turn, rows in medium.log.turns.items()}
        if rollout > 0:
            usage = {answer_turn: StageUsage(round=answer_turn[0], role=answer_turn[1])}
        usage[answer_turn] = replace(
            usage[answer_turn], generated_tokens=draft.num_sampled, result_tokens=draft.num_inserted
        )
        limit = self._agents[answer_turn[1]].backbone.max_positions
        return Solution(
            question=prepared.question,
            rollout=rollout,
            text=draft.text,
            token_ids=tuple(draft.token_ids),
            ended_by=draft.ended_by,
            retried=draft.retried,
            past_context=limit is not None and len(draft.prompt) + len(draft.sequence) > limit,
            usage=tuple(replace(one, seconds=seconds[turn]) for turn, one in usage.items()),
            tool_calls=tuple(draft.tool_calls),
            messages=medium.messages_of(row) if rollout == 0 else {},
            message_sizes=medium.sizes_of(row) if rollout == 0 else {},
            passages=medium.passages_of(row) if rollout == 0 else {},
        )

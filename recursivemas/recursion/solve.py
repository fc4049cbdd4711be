"""From questions to answers: prompts, the recursion, the last agent's text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from recursivemas.agents.agent import Agent
from recursivemas.engine import PrefixCache, reuse_prefixes
from recursivemas.errors import UserError
from recursivemas.links import OuterLink
from recursivemas.output.progress import Silence
from recursivemas.prompts import PromptSource
from recursivemas.question import Question
from recursivemas.recursion.answer import Draft, Writer
from recursivemas.recursion.channels import Batch, LatentChannel, Read, TextChannel, explain_not_finite
from recursivemas.recursion.link_controls import Tampering, choose_links
from recursivemas.recursion.loop import Turn, recurse
from recursivemas.recursion.observers import Notes, Watcher, with_positions
from recursivemas.recursion.prompts import Prepared, PromptWriter
from recursivemas.recursion.toolbox import tool_names
from recursivemas.recursion.trace import Solution, StageUsage
from recursivemas.settings import SolveSettings
from recursivemas.styles import Style
from recursivemas.tools import Toolbox


class Solver:
    """Solves batches of questions with loaded agents under one set of settings.

    Made once and used for any number of batches. Agents have those tools of `toolbox` that the style gives
    them. `prefix_cache` holds what they have read of the batch at hand.
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
        self._control = settings.link_control
        self._passes, self._num_rounds = settings.passes, settings.num_rounds
        self._outer_links = choose_links(self._control, outer_links, agents)
        self._settings = settings
        boxes = {spec.role: toolbox.only(spec.tools) if toolbox else None for spec in style.agents}
        tokenizers = {role: agent.tokenizer for role, agent in agents.items()}
        self._prompts = PromptWriter(style, tokenizers, source, settings, tool_names(style, toolbox))
        self.prefix_cache = PrefixCache(settings.prefix_cache)
        self._writers = {role: Writer(agent, source, settings, boxes[role]) for role, agent in agents.items()}

    def solve(self, questions: Sequence[Question], watcher: Watcher | None = None) -> list[Solution]:
        """The answers to a batch of questions, in order, each question's rollouts side by side.

        A question that cannot run gets solutions that hold its error; the others are not affected. `watcher`
        is told how the batch is getting on.
        """
        prepared = [
            self._prepared(question, one)
            for question, one in zip(questions, self._prompts.prepare(questions), strict=True)
        ]
        batch = Batch([one for one in prepared if isinstance(one, Prepared)])
        solved = iter(self._run(batch, watcher or Silence()) if len(batch) else ())
        rollouts = range(self._settings.num_rollouts)
        return [
            replace(one, rollout=rollout) if isinstance(one, Solution) else next(solved)
            for one in prepared
            for rollout in rollouts
        ]

    def _prepared(self, question: Question, prepared: Prepared | UserError) -> Prepared | Solution:
        """A question with its prompts; a solution with its error where one is not to be had or too long."""
        if isinstance(prepared, UserError):
            return Solution(question=question, error=f"question {question.id!r} cannot run: {prepared}")
        latent_length = self._settings.latent_length if self._passes == "latent" else 0
        for (role, _), chat in prepared.chats.items():
            if misfit := self._prompts.explain_misfit(question, self._agents[role], chat, latent_length):
                return Solution(question=question, error=misfit)
        return prepared

    @torch.no_grad()
    def _run(self, batch: Batch, watcher: Watcher) -> list[Solution]:
        """The rounds run once; only the last agent's text is written once a rollout."""
        notes = Notes(
            {role: agent.device for role, agent in self._agents.items()},
            watcher,
            mode=self._passes,
            keep_latents=self._settings.save_latents,
            with_lens=self._settings.lens,
        )
        engines = [agent.engine for agent in self._agents.values()]
        # Of one batch: what it computes depends on nothing else, so that a resumed run ends the same.
        with reuse_prefixes(engines, self.prefix_cache):
            final = self._recurse(batch, notes, watcher)
            drafts = self._answer(batch, final, notes, watcher)
        lenses = notes.lens.in_words(self._agents) if notes.lens else []
        solutions = [
            self._solution(batch, row, rollout, drafts.get((row, rollout)), final, notes)
            for row in range(len(batch))
            for rollout in range(self._settings.num_rollouts)
        ]
        for row, lens in enumerate(lenses):
            first = row * self._settings.num_rollouts
            if not solutions[first].error:
                solutions[first] = replace(solutions[first], lenses=lens)
        return solutions

    def _recurse(self, batch: Batch, notes: Notes, watcher: Watcher) -> Read:
        settings, rounds = self._settings, self._num_rounds
        if self._passes == "text":
            texts = TextChannel(
                self._agents,
                self._prompts,
                self._writers,
                batch,
                seed=settings.seed,
                max_new_tokens=settings.max_new_tokens,
                on_step=watcher.token,
            )
            return recurse(self._style, texts, notes.observer, num_rounds=rounds)
        latents = LatentChannel(
            self._agents,
            self._outer_links,
            batch,
            latent_length=settings.latent_length,
            tamper=Tampering(self._control, batch, settings.seed),
        )
        return recurse(self._style, latents, notes.observer, num_rounds=rounds)

    @property
    def _answering(self) -> Turn:
        role, rounds = self._style.answering_role, self._num_rounds
        return Turn(rounds, role, self._style.reads_feedback(role, rounds))

    def _answer(
        self, batch: Batch, final: Read, notes: Notes, watcher: Watcher
    ) -> dict[tuple[int, int], Draft]:
        """The answers by (row, rollout), those of the rows that have not failed."""
        turn, going, num_rollouts = self._answering, batch.going, self._settings.num_rollouts
        writer = self._writers[turn.role]
        with notes.observer.stage(turn):
            session = final.session.fork(num_rollouts)
            drafts = {
                (row, rollout): writer.draft_answer(
                    batch.question(row), batch.rows[row].kind, row=rollout * len(batch) + row, rollout=rollout
                )
                for rollout in range(num_rollouts)
                for row in going
            }
            questions = [batch.question(row) for row, _ in drafts]
            writer.answer(list(drafts.values()), questions, session, on_step=watcher.token)
        return drafts

    def _solution(
        self, batch: Batch, row: int, rollout: int, draft: Draft | None, final: Read, notes: Notes
    ) -> Solution:
        question, turn = batch.question(row), self._answering
        passages = notes.passages.passages(row) if rollout == 0 else {}
        error = batch.errors.get(row)
        if draft is not None and draft.failed:
            error = explain_not_finite(question, f"round {turn.round}, {turn.role}: what it would write")
        if draft is None or error:
            return Solution(question=question, rollout=rollout, passages=passages, error=error)
        limit = self._agents[turn.role].engine.max_positions
        length = final.chats[row].length(final.latent_length) + len(draft.sequence)
        return Solution(
            question=question,
            rollout=rollout,
            text=draft.text,
            token_ids=tuple(draft.token_ids),
            ended_by=draft.ended_by,
            retried=draft.retried,
            past_context=limit is not None and length > limit,
            usage=self._usage(row, rollout, draft, notes, num_rows=len(batch)),
            tool_calls=tuple(draft.tool_calls),
            messages=notes.latents.messages(row) if rollout == 0 else {},
            message_sizes=notes.latents.sizes(row) if rollout == 0 else {},
            passages=passages,
        )

    def _usage(
        self, row: int, rollout: int, draft: Draft, notes: Notes, num_rows: int
    ) -> tuple[StageUsage, ...]:
        """What the answer took; the turns before it stand with the first rollout."""
        last = (self._answering.round, self._answering.role)
        turns = {turn: rows[row] for turn, rows in notes.usage.turns.items()}
        answer = turns.pop(last)
        if rollout > 0:
            turns, answer = {}, StageUsage(round=answer.round, role=answer.role)
        shared = [
            replace(usage, seconds=notes.clock.seconds[turn] / num_rows) for turn, usage in turns.items()
        ]
        written = replace(
            with_positions(answer, draft.read),
            generated_tokens=draft.num_sampled,
            result_tokens=draft.num_inserted,
            seconds=notes.clock.seconds[last] / (num_rows * self._settings.num_rollouts),
        )
        return (*shared, written)

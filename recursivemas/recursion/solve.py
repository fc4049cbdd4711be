"""From questions to answers: prompts, the recursion batch by batch, the last agent's text for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch

from recursivemas.agents.agent import Agent
from recursivemas.engine import PrefixCache, limit_rows, reuse_prefixes
from recursivemas.errors import UserError
from recursivemas.links import OuterLink
from recursivemas.output.progress import Silence
from recursivemas.prompts import PromptSource
from recursivemas.question import Question
from recursivemas.recursion.answer import Pace, Writer
from recursivemas.recursion.channels import Batch, LatentChannel, Read, TextChannel
from recursivemas.recursion.link_controls import Tampering, choose_links
from recursivemas.recursion.loop import Turn, recurse
from recursivemas.recursion.observers import Notes, Watcher
from recursivemas.recursion.prompts import Prepared, PromptWriter
from recursivemas.recursion.toolbox import tool_names
from recursivemas.recursion.trace import Solution
from recursivemas.recursion.window import Finished, Window
from recursivemas.settings import SolveSettings
from recursivemas.styles import Style
from recursivemas.tools import Toolbox


class Solver:
    """Solves windows of questions with loaded agents under one set of settings.

    Made once and used for any number of windows. Agents have those tools of `toolbox` that the style gives
    them. `prefix_cache` holds what they have read of the window at hand, `pace` tells how text was written.
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
        self.pace = Pace()
        self._writers = {
            role: Writer(agent, source, settings, boxes[role], self.pace) for role, agent in agents.items()
        }

    @torch.no_grad()
    def solve(
        self, questions: Sequence[Question], size: int, watcher: Watcher | None = None
    ) -> Iterator[Finished]:
        """What comes of a window of questions, about `size` of them at a time, as they are finished.

        `size` of them are thought about side by side, one batch after the other; then the answers to all of
        them are written as one stream, `size` side by side. A question that cannot run gets solutions that
        hold its error; the others are not affected. `watcher` is told how the window is getting on.
        """
        watcher = watcher or Silence()
        engines = [agent.engine for agent in self._agents.values()]
        turn, rollouts = self._answering, range(self._settings.num_rollouts)
        window = Window(self._agents[turn.role], self._writers[turn.role], turn, watcher, len(rollouts))
        # Of one window: what it computes depends on nothing else, so that a resumed run ends the same.
        with reuse_prefixes(engines, self.prefix_cache), limit_rows(engines, size):
            for start in range(0, len(questions), size):
                part = questions[start : start + size]
                prepared = dict(enumerate(map(self._prepared, part, self._prompts.prepare(part)), start))
                errors = {place: one for place, one in prepared.items() if isinstance(one, str)}
                if errors:
                    yield {
                        place: [Solution(question=questions[place], rollout=n, error=error) for n in rollouts]
                        for place, error in errors.items()
                    }
                rows = {place: one for place, one in prepared.items() if isinstance(one, Prepared)}
                if rows:
                    self._think(window, list(rows), Batch(list(rows.values())), watcher)
            yield from window.answer(size)

    def _prepared(self, question: Question, prepared: Prepared | UserError) -> Prepared | str:
        """A question with its prompts; an error where one is not to be had or too long."""
        if isinstance(prepared, UserError):
            return f"question {question.id!r} cannot run: {prepared}"
        latent_length = self._settings.latent_length if self._passes == "latent" else 0
        for (role, _), chat in prepared.chats.items():
            if misfit := self._prompts.explain_misfit(question, self._agents[role], chat, latent_length):
                return misfit
        return prepared

    def _think(self, window: Window, places: Sequence[int], batch: Batch, watcher: Watcher) -> None:
        """Run the rounds on a batch, and put it into the window to be answered."""
        notes = Notes(
            {role: agent.device for role, agent in self._agents.items()},
            watcher,
            mode=self._passes,
            keep_latents=self._settings.save_latents,
            with_lens=self._settings.lens,
        )
        final = self._recurse(batch, notes, watcher)
        lenses = notes.lens.in_words(self._agents) if notes.lens else []
        window.add(batch, places, final, notes, lenses)

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

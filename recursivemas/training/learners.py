"""The two kinds of learners: one agent's inner link, and a style's outer links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor
from torch.func import functional_call

from recursivemas.errors import UserError
from recursivemas.links import InnerLink, OuterLink
from recursivemas.recursion.loop import Turn
from recursivemas.styles import LinkSpec
from recursivemas.system import MASSystem
from recursivemas.training.inner import InnerLoss, Pairs, pair_losses, read_pairs
from recursivemas.training.lessons import Lesson, LessonWriter
from recursivemas.training.loop import Outcome
from recursivemas.training.outer import (
    AnswerLosses,
    LearningChannel,
    Lessons,
    MessageSettings,
    answer_losses,
)
from recursivemas.training.rows import NOT_FINITE_LOSS, Skipped, TrainingRow
from recursivemas.training.settings import InnerSettings, OuterSettings
from recursivemas.training.starts import embedding_rms


class InnerLearner:
    """One agent's inner link."""

    def __init__(self, system: MASSystem, role: str, settings: InnerSettings) -> None:
        self.agent = system.agents[role]
        self.skipped, self.cut = Skipped(), Skipped()
        self._role, self._settings = role, settings
        self._loss = InnerLoss(
            cos=settings.adapter_cos_weight,
            mse=settings.adapter_mse_weight,
            relative=settings.adapter_relative_weight,
            embedding_rms=embedding_rms(self.agent),
        )
        self._writer = LessonWriter(
            system.graph, {role: self.agent}, system.prompts, enable_thinking=settings.enable_thinking
        )

    @property
    def links(self) -> Mapping[str, InnerLink]:
        return {self._role: self.agent.inner_link}

    def pairs(self, rows: Sequence[TrainingRow]) -> Pairs | None:
        lessons = self._writer.with_texts(rows, self._role)
        by_id = {row.question.id: lesson for row, lesson in zip(rows, lessons, strict=True)}
        return read_pairs(
            self.agent, by_id, max_length=self._settings.max_length, skipped=self.skipped, cut=self.cut
        )

    def read(self, rows: Sequence[TrainingRow], *, watched: bool) -> Outcome | None:
        pairs = self.pairs(rows)
        if pairs is None:
            return None
        again = self._settings.gradient_checkpointing
        losses = pair_losses(self.agent.inner_link, pairs, self._loss, gradient_checkpointing=again)
        return Outcome(losses.sum(), len(losses), len(losses))

    def parted_gradients(self) -> dict[str, dict[str, Tensor]]:
        return {}


class OuterLearner:
    """The outer links of a style, through the whole recursion."""

    def __init__(self, system: MASSystem, settings: OuterSettings) -> None:
        self.system, self.settings = system, settings
        self.skipped, self.cut = Skipped(), Skipped()
        self._messages = MessageSettings(
            messages="rollout" if settings.messages == "rollout" else "teacher",
            max_latent_tokens=settings.max_latent_tokens,
            latent_length=settings.latent_length,
            through_rollout=settings.through_rollout,
            max_length=settings.max_length,
            gradient_checkpointing=settings.gradient_checkpointing,
        )
        self._writer = LessonWriter(
            system.graph, system.agents, system.prompts, enable_thinking=settings.enable_thinking
        )
        self._parted: dict[str, dict[str, Tensor]] = {}

    @property
    def links(self) -> Mapping[str, OuterLink]:
        """By key, or `source->target` where a link has none."""
        graph, links = self.system.graph, self.system.outer_links
        return {link_name(link): links[link.source, link.target] for link in graph.links}

    def lessons(self, rows: Sequence[TrainingRow]) -> tuple[list[TrainingRow], list[Lessons]]:
        """The rows that all prompts can be had for, and their lessons."""
        graph, rounds = self.system.graph, self.settings.num_recursive_rounds
        keys = sorted({(role, graph.reads_feedback(role, number)) for number, role in graph.turns(rounds)})
        written = {key: self._writer.with_slots(rows, key[0], feedback=key[1]) for key in keys}
        kept: list[TrainingRow] = []
        lessons: list[Lessons] = []
        for index, row in enumerate(rows):
            mine = {key: written[key][index] for key in keys}
            if errors := [one for one in mine.values() if isinstance(one, UserError)]:
                self.skipped.add(f"no prompt ({errors[0]})", row.question.id)
                continue
            kept.append(row)
            lessons.append({key: one for key, one in mine.items() if isinstance(one, Lesson)})
        return kept, lessons

    def read(self, rows: Sequence[TrainingRow], *, watched: bool) -> Outcome | None:
        kept, lessons = self.lessons(rows)
        while kept:
            losses, channel = self.answer_losses(lessons, watched=watched)
            combined = losses.combine(self.settings.non_last_loss_weight)
            bad = self._bad_rows(kept, combined, channel)
            if not bad:
                return self._outcome(losses, combined, lessons)
            # A row that is not finite would spoil the others' gradients: they are read once more without it.
            kept = [row for index, row in enumerate(kept) if index not in bad]
            lessons = [lesson for index, lesson in enumerate(lessons) if index not in bad]
        return None

    def answer_losses(
        self, lessons: Sequence[Lessons], *, watched: bool = False
    ) -> tuple[AnswerLosses, LearningChannel]:
        settings = self.settings
        carry = self._carry_watched if watched else self._carry
        channel = LearningChannel(self.system.agents, carry, lessons, self._messages)
        losses = answer_losses(
            self.system.graph,
            channel,
            num_rounds=settings.num_recursive_rounds,
            final_only=settings.supervise_final_only,
        )
        return losses, channel

    def _bad_rows(self, rows: Sequence[TrainingRow], losses: Tensor, channel: LearningChannel) -> set[int]:
        """Note what is not as it should be; the rows that cannot be learnt from."""
        unfit = channel.notes.unfit
        infinite = {row for row, finite in enumerate(losses.isfinite().tolist()) if not finite} - unfit
        for row in unfit:
            reason = f"a target that leaves no room for its prompt in max_length {self.settings.max_length}"
            self.skipped.add(reason, rows[row].question.id)
        for row in channel.notes.cut - unfit:
            reason = f"a conversation cut to max_length {self.settings.max_length}"
            self.cut.add(reason, rows[row].question.id)
        for row in infinite:
            self.skipped.add(NOT_FINITE_LOSS, rows[row].question.id)
        return unfit | infinite

    def _outcome(self, losses: AnswerLosses, combined: Tensor, lessons: Sequence[Lessons]) -> Outcome:
        parts = {f"loss/r{number}": loss.sum().item() for number, loss in losses.by_round.items()}
        role = self.system.graph.answering_role
        answers = [one for row in lessons for (who, _), one in row.items() if who == role]
        tokens = sum(map(_num_target_tokens, answers))
        return Outcome(combined.sum(), len(combined), tokens, parts)

    def _carry(self, turn: Turn, link: LinkSpec, thought: Tensor) -> Tensor:
        return self.system.outer_links[link.source, link.target](thought)

    def _carry_watched(self, turn: Turn, link: LinkSpec, thought: Tensor) -> Tensor:
        """The same over aliases of the parameters, whose gradients are those of this round alone."""
        module = self.system.outer_links[link.source, link.target]
        parted = self._parted.setdefault(f"{link_name(link)}/r{turn.round}", {})
        aliases = {}
        for name, parameter in module.named_parameters():
            aliases[name] = alias = parameter.view_as(parameter)
            if alias.requires_grad:
                alias.register_hook(_adder(parted, name))
        return functional_call(module, aliases, (thought,))

    def parted_gradients(self) -> dict[str, dict[str, Tensor]]:
        parted, self._parted = self._parted, {}
        return parted


def _adder(sums: dict[str, Tensor], name: str) -> Callable[[Tensor], None]:
    """A hook that adds up gradients under a name."""

    def add(gradient: Tensor) -> None:
        # A copy: the tensor itself may become the parameter's gradient, which is then averaged in place.
        sums[name] = sums[name] + gradient if name in sums else gradient.clone()

    return add


def _num_target_tokens(lesson: Lesson) -> int:
    return lesson.full.num_text_tokens - lesson.prompt.num_text_tokens if lesson.full else 0


def link_name(link: LinkSpec) -> str:
    return link.key or str(link)


def inner_roles(system: MASSystem, role: str) -> list[str]:
    """The roles whose texts an inner link of `role` learns from: its own and those that it quotes."""
    quoted = system.graph.inbound(role, with_feedback=False)
    if system.graph.agent(role).learns_with_open_slots:
        return [role]
    return [role, *(link.source for link in quoted)]


def outer_roles(system: MASSystem, settings: OuterSettings) -> list[str]:
    """The roles whose texts outer links learn from: all that run, or with rollouts the answering one."""
    if settings.messages == "rollout":
        return [system.graph.answering_role]
    running = {role for _, role in system.graph.turns(settings.num_recursive_rounds)}
    return [role for role in system.graph.roles if role in running]

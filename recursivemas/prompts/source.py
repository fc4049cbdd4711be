"""Where a run's prompts come from: the one interface behind which packs and published builders stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from recursivemas.errors import UserError
from recursivemas.prompts.template import Slot
from recursivemas.question import Question, QuestionKind, Task
from recursivemas.styles import AgentSpec, Style


class PromptsError(UserError):
    """Prompts that cannot be had, read or written."""


Pieces = list[str | Slot]
"""A prompt's texts, none of them empty, with its open slots in between."""


@dataclass(frozen=True, kw_only=True)
class PromptRequest:
    """One prompt that is wanted: that of `family/role` for a question.

    With `feedback` the one that reads the answering agent's feedback. `texts` are what other agents wrote, by
    slot, where agents pass on text: they become part of the prompt, and no slot stays open.
    """

    prompt: str
    question: Question
    feedback: bool = False
    texts: Mapping[str, str] | None = None


class PromptSource(Protocol):
    """All texts that agents are shown: a `PromptPack`, or the builders of a published prompts.py.

    Equal requests get equal prompts, in any batch.
    """

    def describe(self) -> dict[str, Any]:
        """What decides the prompts, for a run's record: `origin`, `name` and `sha256` at least."""

    def check(self, style: Style, *, task: Task, mode: str) -> None:
        """Raise UserError where agents of the style would lack a prompt, or a message its slot.

        `task` is the benchmark's; `mode` says what agents pass on, `latent` or `text`.
        """

    def marker(self, prompt: str, slot: str) -> str:
        """The text that marks an open slot of `family/role`, where it is to be read as text."""

    def system(self, prompt: str, tools: Sequence[str] = ()) -> str:
        """The system text of `family/role`, empty for none; `tools` are those that the agent has."""

    def retry_cue(self, kind: QuestionKind) -> str:
        """What is appended to a text in which no answer of this kind can be found."""

    def kind_of(self, question: Question, prompt: str) -> QuestionKind:
        """The kind of answer that the prompt of `family/role` asks for on this question."""

    def write(self, requests: Sequence[PromptRequest]) -> list[Pieces | UserError]:
        """The prompts, in order; where one cannot be written, the error that says why."""


def check_variant(
    style: Style, agent: AgentSpec, place: str, slots: tuple[str, ...], *, with_feedback: bool
) -> None:
    """Hold the slots of one prompt, which stands at `place` of its source, against the links."""
    links = {link.slot: link for link in style.inbound(agent.role, with_feedback=with_feedback)}
    prompt = f"style {style.name}: the prompt {agent.prompt} ({place})"
    for slot, link in links.items():
        if slot not in slots:
            raise UserError(f"{prompt} has no [[slot:{slot}]], which the link {link} fills; add it")
    for slot in slots:
        if slot not in links:
            raise UserError(
                f"{prompt} has a slot {slot!r} that no link to {agent.role} fills; add a link with "
                f"slot: {slot}, or take the slot out"
            )

"""Whether a prompt pack and a style fit: every message needs its slot, and every slot its message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from recursivemas.errors import UserError
from recursivemas.styles import AgentSpec, Style

if TYPE_CHECKING:  # which holds itself against a style by what stands here
    from recursivemas.prompts.pack import PromptPack


def check_slots(pack: PromptPack, style: Style, agents: Iterable[AgentSpec] | None = None) -> None:
    """Hold the prompts of each agent, or of those given, against the links that reach it.

    Raises UserError naming the prompt, the slot and the link when a link's slot is missing from a prompt, or
    a slot of a prompt is filled by no link.
    """
    for agent in style.agents if agents is None else agents:
        if agent.prompt not in pack.prompts:
            raise UserError(
                f"style {style.name}: {pack.source} has no prompts {agent.prompt!r} for {agent.role}; it has "
                f"{', '.join(sorted(pack.prompts))}. Add them to the pack, or to the style's own prompts"
            )
        for kind, variants in pack.prompts[agent.prompt].items():
            check_variant(style, agent, f"{kind}, first", variants["first"].slots, with_feedback=False)
            if style.reads_feedback(agent.role, 2):
                slots = variants.get("feedback", variants["first"]).slots
                check_variant(style, agent, f"{kind}, feedback", slots, with_feedback=True)


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

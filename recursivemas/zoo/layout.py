"""What the toy release holds: which toy backbone stands in for each published agent, and how files are named.

The variety of the published layout is kept on purpose. Styles with link sets have the set in their file names
and a `tasks` manifest; the others have plain names and a flat manifest. The distillation expert's inner links
have names of their own, told by its `innerlink_config.json`, and the distillation outer links for math have
the plain names of the model card. The mixture's science agent is stored in bfloat16 (its inner link in
float32) and has a second weight file that nobody needs. Qwen3.5 agents take turns between the multimodal and
the text configuration.

Source: docs/protocol.md, "Styles" and "Repositories".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from recursivemas.links import DEFAULT_OUTER_VARIANT
from recursivemas.styles import LinkSpec, Style
from recursivemas.zoo import backbones
from recursivemas.zoo.backbones import Family

OUTER_MANIFEST = "outerlink_config.json"
INNER_MANIFEST = "innerlink_config.json"
INNER_CONFIG = "adapter_config.json"
PLAIN_INNER_NAME = "adapter.pt"


@dataclass(frozen=True, kw_only=True)
class ToyAgent:
    """The stand-in for one published agent.

    `inner_names` are its inner links' file names by link set, where they do not follow the convention.
    `second_weights` adds a weight file in another format, which selective downloads have to leave out.
    """

    family: Family
    hidden_size: int
    vocab_size: int | None = None
    """None for as many tokens as the corpus yields."""
    dtype: torch.dtype = torch.float32
    inner_names: tuple[tuple[str, str], ...] = ()
    second_weights: bool = False


AGENTS: dict[str, dict[str, ToyAgent]] = {
    "sequential_light": {
        "planner": ToyAgent(family=backbones.QWEN3, hidden_size=80, vocab_size=704),
        "critic": ToyAgent(family=backbones.LLAMA3, hidden_size=64, vocab_size=768),
        "solver": ToyAgent(family=backbones.QWEN2_MATH, hidden_size=96, vocab_size=640),
    },
    "sequential_scaled": {
        "planner": ToyAgent(family=backbones.GEMMA3, hidden_size=72, vocab_size=720),
        "critic": ToyAgent(family=backbones.LLAMA3, hidden_size=96, vocab_size=656),
        "solver": ToyAgent(family=backbones.QWEN3_5, hidden_size=88, vocab_size=752),
    },
    "mixture": {
        "math": ToyAgent(family=backbones.DEEPSEEK_DISTILL, hidden_size=64, vocab_size=672),
        "code": ToyAgent(family=backbones.QWEN2_CODER, hidden_size=96, vocab_size=736),
        "science": ToyAgent(
            family=backbones.MISTRAL,
            hidden_size=112,
            vocab_size=688,
            dtype=torch.bfloat16,
            second_weights=True,
        ),
        "summarizer": ToyAgent(family=backbones.QWEN3_5_TEXT, hidden_size=80, vocab_size=784),
    },
    "distillation": {
        "expert": ToyAgent(
            family=backbones.QWEN3_5,
            hidden_size=104,
            vocab_size=800,
            inner_names=(("math", "expert-link-m.pt"), ("code", "expert-link-c.pt")),
        ),
        "learner": ToyAgent(family=backbones.QWEN3_5_TEXT, hidden_size=72, vocab_size=712),
    },
    "deliberation": {
        "reflector": ToyAgent(family=backbones.QWEN3_5, hidden_size=88, vocab_size=728),
        "toolcaller": ToyAgent(family=backbones.QWEN3_5_TEXT, hidden_size=96, vocab_size=776),
    },
}

PLAIN_OUTER_SETS = {"distillation": "math"}
"""By style, the link set whose outer links have no set in their names."""


def inner_link_names(style: Style, role: str) -> dict[str | None, str]:
    """An agent's inner link files by link set; the set is None where the style has only one."""
    names = dict(AGENTS[style.name][role].inner_names)
    if not style.link_sets:
        return {None: PLAIN_INNER_NAME}
    return {link_set: names.get(link_set, f"adapter({link_set}).pt") for link_set in style.link_sets}


def inner_manifest(style: Style, role: str) -> dict[str, Any] | None:
    """What `innerlink_config.json` says; None where the files follow the convention and there is none."""
    names = AGENTS[style.name][role].inner_names
    if not names:
        return None
    return {"tasks": {link_set: {PLAIN_INNER_NAME: name} for link_set, name in names}}


def outer_link_name(style: Style, link: LinkSpec, link_set: str | None) -> str:
    suffix = "" if link_set in (None, PLAIN_OUTER_SETS.get(style.name)) else f"({link_set})"
    return f"{link.source.capitalize()}-{link.target.capitalize()}-Outerlink{suffix}.pt"


def outer_manifest(
    style: Style, agents: Mapping[str, ToyAgent], name: Callable[[LinkSpec, str | None], str]
) -> dict[str, Any]:
    """What `outerlink_config.json` says: one list of links, or one a link set; `name` gives a link's file."""

    def rows(link_set: str | None) -> list[dict[str, Any]]:
        return [
            {
                "legacy_key": link.key,
                "filename": name(link, link_set),
                "adapter_type": DEFAULT_OUTER_VARIANT,
                "in_dim": agents[link.source].hidden_size,
                "out_dim": agents[link.target].hidden_size,
            }
            for link in style.links
        ]

    if not style.link_sets:
        return {"format_version": 1, "paradigm": style.name, "adapters": rows(None)}
    return {"tasks": {link_set: {"adapters": rows(link_set)} for link_set in style.link_sets}}

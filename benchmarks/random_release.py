"""A release of one style with random agents of any size, for benchmarks: the toy's, made wider and deeper."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from recursivemas.links import save_link
from recursivemas.styles import HUB_ORGANISATION, Style
from recursivemas.zoo import ensure, layout, weights
from recursivemas.zoo.backbones import GEMMA3, QWEN3_5, QWEN3_5_TEXT, Family

HEAD_DIM = 64
GEMMA_PATTERN = ("sliding_attention", "sliding_attention", "full_attention", "sliding_attention")


def write_random_release(folder: Path, style: Style, *, hidden_size: int, layers: int) -> Path:
    """Write the style's repositories into a folder, every agent of that size in float32; returns the folder.

    `hidden_size` has to be a multiple of HEAD_DIM, and four layers are the least that has every kind of them.
    """
    toy = ensure() / HUB_ORGANISATION
    agents = {
        role: replace(agent, hidden_size=hidden_size) for role, agent in layout.AGENTS[style.name].items()
    }
    with weights.isolated_torch():
        for spec in style.agents:
            family = agents[spec.role].family
            place = folder / HUB_ORGANISATION / spec.repo
            shutil.copytree(toy / spec.repo, place, ignore=shutil.ignore_patterns("*.safetensors", "*.bin"))
            tokenizer = AutoTokenizer.from_pretrained(place)
            model = weights.make_backbone(
                family,
                tokenizer,
                hidden_size=hidden_size,
                token_counts=[1] * len(tokenizer),
                repo=spec.repo,
                **_shape(family, hidden_size, layers),
            )
            model.save_pretrained(place)
            for name in layout.inner_link_names(style, spec.role).values():
                save_link(weights.make_inner_link(hidden_size, spec.repo, name), place / name)
        _write_outer_links(folder / HUB_ORGANISATION / style.outer_repo, style, agents)
    return folder


def _write_outer_links(place: Path, style: Style, agents: dict[str, layout.ToyAgent]) -> None:
    place.mkdir()
    for link_set in style.link_sets or (None,):
        for link in style.links:
            name = layout.outer_link_name(style, link, link_set)
            sizes = agents[link.source].hidden_size, agents[link.target].hidden_size
            save_link(weights.make_outer_link(*sizes, place.name, name), place / name)
    manifest = layout.outer_manifest(
        style, agents, lambda link, link_set: layout.outer_link_name(style, link, link_set)
    )
    (place / layout.OUTER_MANIFEST).write_text(json.dumps(manifest))


def _shape(family: Family, hidden_size: int, layers: int) -> dict[str, Any]:
    """What sets such a model's configuration apart from the toy's."""
    heads = hidden_size // HEAD_DIM
    shape: dict[str, Any] = {
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": max(heads // 2, 1),
        "head_dim": HEAD_DIM,
        "initializer_range": hidden_size**-0.5,  # lively enough that texts depend on questions and messages
    }
    if family is GEMMA3:
        shape["layer_types"] = [GEMMA_PATTERN[layer % len(GEMMA_PATTERN)] for layer in range(layers)]
    if family in (QWEN3_5, QWEN3_5_TEXT):
        shape |= {"linear_num_key_heads": max(heads // 2, 1), "linear_num_value_heads": heads}
    return shape

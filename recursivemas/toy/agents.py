"""The trained toy's agents: their families and sizes, and how one is made before it is taught anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from recursivemas.prompts import PromptPack
from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.toy.lessons import TurnMaker
from recursivemas.zoo import layout
from recursivemas.zoo.backbones import Family, Tokens
from recursivemas.zoo.layout import ToyAgent
from recursivemas.zoo.tokenization import QWEN3_5, train_tokenizer

HIDDEN_SIZES: Mapping[str, Mapping[str, int]] = {
    "sequential_light": {"planner": 80, "critic": 72, "solver": 96},
    "sequential_scaled": {"planner": 72, "critic": 80, "solver": 64},
    "mixture": {"math": 96, "code": 128, "science": 72, "summarizer": 80},
    "distillation": {"expert": 80, "learner": 72},
    "deliberation": {"reflector": 80, "toolcaller": 72},
}
OPENS_THINKING = (r"<｜Assistant｜><think>\n", "<｜Assistant｜>")
"""DeepSeek's template as it was at first: a prompt ends where a reply begins, as in all other templates."""
CORPUS_TURNS = 60
"""Of each agent of each style."""
SQUARE = re.compile(r"([A-J])(\d)")


def toy_agents(style: str) -> dict[str, ToyAgent]:
    """By role, an agent of the family that the untrained toy has there, in a size of its own."""
    return {
        role: ToyAgent(family=layout.AGENTS[style][role].family, hidden_size=size, dtype=torch.bfloat16)
        for role, size in HIDDEN_SIZES[style].items()
    }


def make_corpus(pack: PromptPack) -> list[str]:
    """What agents read and say, with squares taken apart: letters and digits stay tokens of their own."""
    random = Random(0)
    texts = []
    for style in PUBLISHED_STYLES.values():
        for agent in style.agents:
            maker = TurnMaker(style, agent.role)
            template = pack.template(agent.prompt, "math", feedback=True)
            texts += [pack.system(agent.prompt, agent.tools)]
            texts += [part for part in template.parts if isinstance(part, str)]
            for _ in range(CORPUS_TURNS):
                turn = maker.random_turn(random)
                texts += [str(turn.trip), turn.text]
    return [SQUARE.sub(r"\1 \2", text) for text in texts]


def make_agent(
    family: Family, hidden_size: int, pack: PromptPack, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A model in float32 with random weights, and a tokenizer that knows the task's words."""
    tokenizer = train_tokenizer(family.tokenizer, make_corpus(pack), max_length=family.max_length)
    tokenizer.chat_template = tokenizer.chat_template.replace(*OPENS_THINKING)
    torch.manual_seed(seed)
    changes: dict[str, Any] = {"tie_word_embeddings": True, "intermediate_size": 2 * hidden_size}
    if family.tokenizer is QWEN3_5:
        changes["layer_types"] = ["linear_attention", "full_attention"] * 2
    return family.make_model(hidden_size, Tokens.of(tokenizer), **changes), tokenizer

"""The slow, obvious twins: every step runs the whole sequence through the model again, one row at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from recursivemas.agents.agent import Agent
from recursivemas.engine.backbone import Backbone
from recursivemas.links import InnerLink


def backbone_of(agent: Agent) -> Backbone:
    return Backbone(agent.model)


def last_hidden(backbone: Backbone, embeddings: Tensor) -> Tensor:
    """Embeddings [T, D] of one sequence, no padding, no cache -> the last position's hidden state [D]."""
    mask = torch.ones(1, len(embeddings), dtype=torch.long)
    positions = torch.arange(len(embeddings)).unsqueeze(0)
    return backbone.hidden(embeddings.unsqueeze(0), mask, positions, None)[0]


def roll_out_slowly(backbone: Backbone, link: InnerLink, prompt: Tensor, latent_length: int) -> Tensor:
    """Prompt [T, D] -> h_1..h_L [L, D]."""
    hidden: list[Tensor] = []
    for _ in range(latent_length):
        thoughts = [link(h).to(prompt.dtype) for h in hidden]
        hidden.append(last_hidden(backbone, torch.stack([*prompt, *thoughts])))
    return torch.stack(hidden)


def decode_slowly(backbone: Backbone, prompt: Tensor, max_new_tokens: int, stop_ids: set[int]) -> list[int]:
    """Prompt [T, D] -> greedy token ids, the end-of-sequence token left out."""
    return decode_with_insertions(backbone, prompt, max_new_tokens, stop_ids, lambda ids: None)


def decode_with_insertions(
    backbone: Backbone,
    prompt: Tensor,
    max_new_tokens: int,
    stop_ids: set[int],
    insert: Callable[[list[int]], list[int] | None],
) -> list[int]:
    """The same, where `insert` may replace all that follows the prompt while there is room for a token."""
    sequence: list[int] = []
    for left in reversed(range(max_new_tokens)):
        embeddings = torch.cat([prompt, backbone.embed(sequence)])
        token = int(backbone.logits(last_hidden(backbone, embeddings)[None]).argmax())
        if token in stop_ids:
            break
        sequence.append(token)
        if left and (replaced := insert(sequence)):
            sequence = replaced
    return sequence

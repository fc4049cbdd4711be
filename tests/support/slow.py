"""The slow, obvious twins: every step runs the whole sequence through the model again, one row at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from recursivemas.engine import Backbone
from recursivemas.links import InnerLink


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
    written: list[int] = []
    while len(written) < max_new_tokens:
        embeddings = torch.cat([prompt, backbone.embed(written)])
        token = int(backbone.logits(last_hidden(backbone, embeddings)[None]).argmax())
        if token in stop_ids:
            break
        written.append(token)
    return written

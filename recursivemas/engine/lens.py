"""Hidden states and latents in a model's own tokens: what its head would write, what is near to them.

Shapes: N positions, D the model's hidden size, V known tokens, K tokens that are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from recursivemas.engine.backbone import Backbone

MAX_SCORES = 1 << 24
"""How many numbers are computed at a time, so that large vocabularies take little memory."""
TOKENS_AT_ONCE = 8192


@torch.no_grad()
def likeliest_tokens(
    backbone: Backbone, hidden: Tensor, number: int, num_known: int
) -> tuple[Tensor, Tensor]:
    """What the head would write after hidden states [N, D]: token ids [N, K], probabilities, likeliest first.

    Probabilities are over all that the model has; the tokens are those below `num_known`, its tokenizer's.
    """
    found = [
        backbone.logits(part).softmax(dim=-1)[:, :num_known].topk(min(number, num_known), dim=-1)
        for part in _parts(hidden.to(backbone.device, backbone.dtype), num_known)
    ]
    return torch.cat([one.indices for one in found]), torch.cat([one.values for one in found])


@torch.no_grad()
def nearest_tokens(backbone: Backbone, latents: Tensor, number: int, num_known: int) -> tuple[Tensor, Tensor]:
    """Whose input embeddings latents [N, D] point to: token ids [N, K] and cosines, nearest first.

    The cosines of a latent of zeros are 0.
    """
    precise = torch.promote_types(backbone.dtype, torch.float32)
    found = []
    for part in _parts(latents.to(backbone.device, precise), num_known):
        cosines = [
            F.normalize(part, dim=-1) @ F.normalize(backbone.embed(ids).to(precise), dim=-1).T
            for ids in torch.arange(num_known, device=backbone.device).split(TOKENS_AT_ONCE)
        ]
        found.append(torch.cat(cosines, dim=-1).topk(min(number, num_known), dim=-1))
    return torch.cat([one.indices for one in found]), torch.cat([one.values for one in found])


def _parts(rows: Tensor, width: int) -> Iterator[Tensor]:
    yield from rows.split(max(1, MAX_SCORES // max(width, 1)))

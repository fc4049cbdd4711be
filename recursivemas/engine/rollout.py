"""The latent rollout: an agent thinks without writing.

Shapes: B batch, L latent steps, D hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recursivemas.engine.stream import Stream
from recursivemas.links import InnerLink


@dataclass(frozen=True)
class Rollout:
    """`hidden` [B, L, D] are h_1..h_L in the model's dtype; `thoughts` [B, L, D] are inner(h_1)..inner(h_L)
    in the inner link's dtype."""

    hidden: Tensor
    thoughts: Tensor


def rows_not_finite(*tensors: Tensor) -> list[int]:
    """The rows that hold NaN or an infinity in any of the tensors [B, ...]: nothing can be made of them.

    Waits for the device, once.
    """
    finite = torch.stack([tensor.isfinite().flatten(1).all(dim=1) for tensor in tensors]).all(dim=0)
    return [row for row, is_finite in enumerate(finite.tolist()) if not is_finite]


def roll_out(stream: Stream, inner_link: InnerLink, steps: int) -> Rollout:
    """Think for `steps` steps (1 or more) after what a stream has read.

    h_1 is read at its last position; inner(h_t) is the next input embedding; inner(h_L) is not fed back. So L
    steps cost the prefill and L - 1 single positions. Rows that are not finite are for `rows_not_finite` to
    find: they leave the others as they are. Source: docs/protocol.md, "Latent rollout".
    """
    hidden, thoughts = [stream.hidden], [inner_link(stream.hidden)]
    while len(hidden) < steps:
        stream.step(thoughts[-1])
        hidden.append(stream.hidden)
        thoughts.append(inner_link(stream.hidden))
    return Rollout(torch.stack(hidden, dim=1), torch.stack(thoughts, dim=1))

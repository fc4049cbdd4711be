"""Joining two caches along the batch, and dropping what nobody attends to.

Shapes: B batch, H heads, S cached positions, D_h a head's size. A batch is padded on the left, so sequences
end together: shorter keys and values get zeros in front, which the mask then covers. A sliding window keeps
its last positions only, and these are aligned at the end, too. Recurrent states know no positions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

KNOWN = {
    "GrowingLayer",
    "DynamicSlidingWindowLayer",
    "LinearAttentionLayer",
    "LinearAttentionAndFullAttentionLayer",
    "LinearAttentionAndSlidingWindowAttentionLayer",
}
"""Kinds of layers, by name: not every version of transformers has all of them."""


def is_known(cache: DynamicCache) -> bool:
    """Whether the functions below can be used on it."""
    return all(
        type(layer).__name__ in KNOWN and isinstance(getattr(layer, "conv_states", {}), dict)
        for layer in cache.layers
    )


def join_caches(cache: DynamicCache, other: DynamicCache) -> None:
    """Put the other cache's rows behind the first one's, in place."""
    for layer, more in zip(cache.layers, other.layers, strict=True):
        if hasattr(layer, "keys"):
            _join_positions(layer, more)
        if hasattr(layer, "conv_states"):
            _join_states(layer.conv_states, more.conv_states)
            _join_states(layer.recurrent_states, more.recurrent_states)


def trim_cache(cache: DynamicCache, count: int) -> None:
    """Drop the first `count` positions, which are padding in every row, in place."""
    for layer in cache.layers:
        if not hasattr(layer, "keys"):
            continue
        length = layer.get_seq_length() - count
        if hasattr(layer, "cumulative_length"):
            layer.cumulative_length = length
        layer.keys, layer.values = layer.keys[:, :, -length:], layer.values[:, :, -length:]


def _join_positions(layer: Any, more: Any) -> None:
    """Keys and values [B, H, S, D_h]."""
    length = max(layer.keys.shape[2], more.keys.shape[2])
    layer.keys = torch.cat([pad_left(keys, length, dim=2) for keys in (layer.keys, more.keys)])
    layer.values = torch.cat([pad_left(values, length, dim=2) for values in (layer.values, more.values)])
    if hasattr(layer, "cumulative_length"):
        layer.cumulative_length = max(layer.cumulative_length, more.cumulative_length)


def _join_states(states: dict[int, Any], more: dict[int, Any]) -> None:
    """States [B, ...] by number; those that a model does not use are None."""
    for number, state in states.items():
        if state is not None:
            states[number] = torch.cat([state, more[number]])


def pad_left(tensor: Tensor, length: int, *, dim: int) -> Tensor:
    """The tensor with zeros put in front along a dimension, up to that length."""
    shape = list(tensor.shape)
    shape[dim] = length - shape[dim]
    return torch.cat([tensor.new_zeros(shape), tensor], dim=dim)

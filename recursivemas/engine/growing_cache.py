"""A dynamic cache whose full-attention layers have room behind what they hold.

transformers' layer copies all it has in order to append a position; of a rollout's step that is a sixth with
prompts of 200 tokens, a quarter with 400. Here the position is written behind the others, and a copy is made
once in `ROOM` steps. What was handed out before stays as it was: nothing that is held is written over.

Shapes: B batch, H heads, S cached positions, D_h a head's size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

ROOM = 64
"""Positions that there is room for behind a prompt, and again when they are used up."""


def growing_cache(config: PreTrainedConfig) -> DynamicCache:
    """An empty cache of the right kind of layers for each of the model's (full, sliding, linear)."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


class GrowingLayer(DynamicLayer):
    """Keys and values [B, H, S, D_h], views of larger tensors once a step was taken."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: Any
        self.values: Any
        self._pair: list[_Growing | None] = [None, None]

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Append positions. Several at once, and all that gradients go through, as transformers does."""
        if not self.is_initialized or key_states.shape[-2] > 1 or torch.is_grad_enabled():
            return super().update(key_states, value_states, *args, **kwargs)
        self.keys, self.values = (
            self._append(0, self.keys, key_states),
            self._append(1, self.values, value_states),
        )
        return self.keys, self.values

    def _append(self, which: int, held: Tensor, new: Tensor) -> Tensor:
        growing = self._pair[which]
        if growing is None or growing.held is not held or not growing.has_room:
            growing = self._pair[which] = _Growing(held)  # somebody has cut, joined or reordered what is held
        return growing.append(new)


class _Growing:
    """A tensor with room behind it."""

    def __init__(self, held: Tensor) -> None:
        rows, heads, length, size = held.shape
        self._whole = held.new_empty(rows, heads, length + ROOM, size)
        self.held = self._whole[:, :, :length]
        self.held.copy_(held)

    @property
    def has_room(self) -> bool:
        return self.held.shape[2] < self._whole.shape[2]

    def append(self, new: Tensor) -> Tensor:
        """[B, H, 1, D_h] behind the others; returns all."""
        length = self.held.shape[2]
        self._whole[:, :, length : length + 1] = new
        self.held = self._whole[:, :, : length + 1]
        return self.held

"""One row's part of a cache: cut out of a batch, kept, and put into another batch.

Shapes: B batch, H heads, n positions that a layer holds, D_h a head's size, D hidden size. A batch is padded
on the left, so a row's last position is the batch's. Attention can go on behind any of the positions that are
held, a sliding window behind those whose window is; linear attention has the state of a row's end alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from recursivemas.engine.caches import pad_left

ENDLESS = 1 << 40
"""A window that nothing slides out of."""
UPDATES = ("update_conv_state", "update_recurrent_state")


@dataclass(frozen=True)
class LayerRow:
    """What a layer holds of one row."""

    pair: tuple[Tensor, ...]
    """Keys and values [H, n, D_h] of the row's last n positions; empty where the layer has none."""
    window: int
    """How many positions the layer sees."""
    states: tuple[dict[int, Tensor], dict[int, Tensor]]
    """Convolution and recurrent states by number; empty where the layer has none."""

    @property
    def tensors(self) -> Iterator[Tensor]:
        yield from self.pair
        for states in self.states:
            yield from states.values()

    def serves(self, length: int, held: int) -> bool:
        """Whether one can go on behind the first `length` of a row's `held` positions."""
        if length == held:
            return True
        if self.states[0] or self.states[1]:
            return False
        return not self.pair or held - self.pair[0].shape[1] <= max(length - self.window + 1, 0)


@dataclass(frozen=True)
class RowCache:
    """All that one needs to go on behind a row's first `length` positions."""

    length: int
    layers: tuple[LayerRow, ...]
    hidden: Tensor | None
    """[D]: the final hidden state at the last of them, where it is known."""

    @property
    def num_bytes(self) -> int:
        return sum(tensor.nbytes for layer in self.layers for tensor in layer.tensors)

    def serves(self, length: int) -> bool:
        """Whether one can go on behind the first `length` positions, too."""
        return length <= self.length and all(layer.serves(length, self.length) for layer in self.layers)


def cut_row(cache: DynamicCache, row: int, length: int, until: int, hidden: Tensor) -> RowCache:
    """A copy of the first `until` positions of a row, whose `length` ones are the last of the batch.

    `hidden` [D] is the final hidden state at the last one.
    """
    layers = []
    for layer in cache.layers:
        pair = (layer.keys, layer.values) if hasattr(layer, "keys") else ()
        states = tuple(
            {number: state[row].clone() for number, state in some.items() if state is not None}
            for some in (getattr(layer, "conv_states", {}), getattr(layer, "recurrent_states", {}))
        )
        layers.append(
            LayerRow(
                tuple(_last(tensor[row], length)[:, : until - length or None].clone() for tensor in pair),
                getattr(layer, "sliding_window", ENDLESS),
                (states[0], states[1]) if until == length else ({}, {}),
            )
        )
    return RowCache(until, tuple(layers), hidden.clone() if until == length else None)


def put_rows(cache: DynamicCache, rows: Sequence[tuple[RowCache, int] | None]) -> None:
    """Fill an empty cache with first positions of rows, so many as stand beside each; None: with none.

    Every row has to serve that many. Where a layer has states there may be no None.
    """
    parts = [row for row in rows if row is not None]
    longest = max(length for _, length in parts)
    for index, layer in enumerate(cache.layers):
        some = parts[0][0].layers[index]
        if some.pair:
            keys, values = (
                torch.stack(
                    [_first(row, index, which, like=some.pair[which], length=longest) for row in rows]
                )
                for which in range(2)
            )
            layer.update(keys, values)
        for kind, update in enumerate(UPDATES):
            for number in some.states[kind]:
                states = [row.layers[index].states[kind][number] for row, _ in parts]
                getattr(layer, update)(torch.stack(states), state_idx=number)


def _last(tensor: Tensor, length: int) -> Tensor:
    """The last `length` positions of [H, n, D_h], or all."""
    return tensor[:, -length:]


def _first(row: tuple[RowCache, int] | None, layer: int, which: int, *, like: Tensor, length: int) -> Tensor:
    """A row's keys or values up to where it is used, padded to [H, length, D_h]."""
    if row is None:
        return like.new_zeros(like.shape[0], length, like.shape[2])
    kept, until = row
    return pad_left(kept.layers[layer].pair[which][:, : until - kept.length or None], length, dim=1)


@contextmanager
def open_windows(cache: DynamicCache) -> Iterator[None]:
    """Within it, layers with a sliding window hold all positions; behind it those in the window, as ever.

    What a layer sees of them the mask says, within and behind.
    """
    sliding = [layer for layer in cache.layers if hasattr(layer, "sliding_window")]
    windows = [layer.sliding_window for layer in sliding]
    for layer in sliding:
        layer.sliding_window = ENDLESS
    yield
    for layer, window in zip(sliding, windows, strict=True):
        layer.sliding_window = window
        layer.keys, layer.values = layer.keys[:, :, 1 - window :], layer.values[:, :, 1 - window :]

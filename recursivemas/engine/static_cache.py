"""A cache whose tensors stay where they are: rows come to places in it and leave them.

Shapes: B rows, H heads, R positions that a layer holds, D_h a head's size. Position p of a row stands at
p % R: with full attention R is as long as rows may become, with a sliding window as long as the window. So
nothing is padded, and what a row can attend to is told by how many positions it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.row_cache import UPDATES, LayerRow, RowCache

SERVED = {"GrowingLayer", "DynamicSlidingWindowLayer", "LinearAttentionLayer"}
"""Kinds of layers, by name, that have a counterpart here."""


States = tuple[dict[int, Tensor], dict[int, Tensor]]


def _each(states: States, change: Callable[[Tensor], Tensor]) -> States:
    conv, recurrent = states
    return (
        {number: change(state) for number, state in conv.items()},
        {number: change(state) for number, state in recurrent.items()},
    )


@dataclass(frozen=True)
class LayerStore:
    """What a layer holds of all rows; each tensor's first dimension is the rows."""

    pair: tuple[Tensor, ...]
    """Keys and values [B, H, R, D_h]; empty where the layer has none."""
    window: int
    """How many positions the layer sees."""
    states: States
    """Convolution and recurrent states by number; empty where the layer has none."""

    @classmethod
    def like(cls, row: LayerRow, num_rows: int, length: int) -> LayerStore:
        """An empty one for so many rows of up to so many positions."""
        return cls(
            tuple(
                one.new_zeros(num_rows, one.shape[0], min(row.window, length), one.shape[2])
                for one in row.pair
            ),
            row.window,
            _each(row.states, lambda state: state.new_zeros(num_rows, *state.shape)),
        )

    def part(self, num_rows: int, length: int) -> LayerStore:
        """The first rows, for as long as none has more positions: the same tensors in part."""
        held = min(self.window, length)
        return LayerStore(
            tuple(tensor[:num_rows, :, :held] for tensor in self.pair),
            self.window,
            _each(self.states, lambda state: state[:num_rows]),
        )

    def grown(self, length: int) -> LayerStore:
        """A copy for more positions."""
        shapes = [(*tensor.shape[:2], min(self.window, length), tensor.shape[3]) for tensor in self.pair]
        pair = tuple(tensor.new_zeros(shape) for tensor, shape in zip(self.pair, shapes, strict=True))
        for tensor, room in zip(self.pair, pair, strict=True):
            room[:, :, : tensor.shape[2]] = tensor
        return LayerStore(pair, self.window, self.states)

    def tensors(self) -> list[Tensor]:
        return [*self.pair, *self.state_tensors()]

    def state_tensors(self) -> list[Tensor]:
        return [state for some in self.states for state in some.values()]

    def put(self, place: int, row: LayerRow, length: int) -> None:
        """Put in a row that has `length` positions."""
        for tensor, one in zip(self.pair, row.pair, strict=True):
            last = one[:, -tensor.shape[2] :]  # [H, n, D_h]
            tensor[place][:, self._places(last.shape[1], length)] = last
        for states, some in zip(self.states, row.states, strict=True):
            for number, state in some.items():
                states[number][place] = state

    def cut(self, place: int, length: int) -> LayerRow:
        """A copy of what is needed to go on behind a row's `length` positions.

        In a window that is full, the place of the first is where a row that has stopped writes to no end.
        """
        states = _each(self.states, lambda state: state[place].clone())
        if not self.pair:
            return LayerRow((), self.window, states)
        places = self._places(min(length, self.window - 1), length)
        return LayerRow(tuple(tensor[place][:, places] for tensor in self.pair), self.window, states)

    def _places(self, count: int, length: int) -> Tensor:
        """Where the last `count` of `length` positions stand."""
        keys = self.pair[0]
        return torch.arange(length - count, length, device=keys.device) % keys.shape[2]


class StaticCache:
    """Places for `num_rows` rows of up to `length` positions each.

    `like` is a row of the model's, which tells what its layers hold.
    """

    def __init__(self, like: RowCache, num_rows: int, length: int) -> None:
        self.num_rows, self.length = num_rows, length
        self._layers = [LayerStore.like(layer, num_rows, length) for layer in like.layers]

    def put(self, place: int, row: RowCache) -> None:
        for layer, part in zip(self._layers, row.layers, strict=True):
            layer.put(place, part, row.length)

    def cut(self, place: int, length: int, hidden: Tensor) -> RowCache:
        """A copy of the row of `length` positions; `hidden` [D] is the final hidden state at the last one."""
        layers = tuple(layer.cut(place, length) for layer in self._layers)
        return RowCache(length, layers, hidden.clone())

    def move(self, source: int, target: int) -> None:
        """Put a row to another place."""
        for layer in self._layers:
            for tensor in layer.tensors():
                tensor[target] = tensor[source]

    def part(self, num_rows: int, length: int) -> list[LayerStore]:
        """Of each layer the first rows, for as long as none has more positions than that."""
        return [layer.part(num_rows, length) for layer in self._layers]

    def grow(self, length: int) -> None:
        """Make room for more positions: all is put into larger tensors."""
        self.length = length
        self._layers = [layer.grown(length) for layer in self._layers]


class _Attention:
    """What a model's attention layer asks of its cache, for one new position a row."""

    is_compileable = True
    is_sliding = False

    def __init__(self, pair: tuple[Tensor, ...], places: Tensor) -> None:
        self._keys, self._values = pair
        self._places = places
        self._rows = torch.arange(len(places), device=places.device)

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """New keys and values [B, H, 1, D_h] -> all [B, H, R, D_h]."""
        self._keys[self._rows, :, self._places] = keys[:, :, 0]
        self._values[self._rows, :, self._places] = values[:, :, 0]
        return self._keys, self._values


class StepCache:
    """Some rows' part of a static cache as the model sees it in a step, and the mask that goes with it.

    `lengths` [B] are the positions that the rows have: where the new ones come to stand.
    """

    def __init__(self, backbone: Backbone, layers: list[LayerStore], lengths: Tensor) -> None:
        self._backbone = backbone
        self._lengths = lengths
        self._sizes = [layer.pair[0].shape[2] if layer.pair else 0 for layer in layers]
        held = sorted(set(self._sizes) - {0})
        self._places = {size: torch.zeros_like(lengths) for size in held}
        self._slots = {size: torch.arange(size, device=lengths.device) for size in held}
        self._states = [state for layer in layers for state in layer.state_tensors()]
        self.cache = Cache(layers=[self._layer(index, layer) for index, layer in enumerate(layers)])

    def _layer(self, index: int, store: LayerStore) -> Any:
        if store.pair:
            return _Attention(store.pair, self._places[self._sizes[index]])
        layer = self._backbone.new_cache().layers[index]
        for kind, (update, states) in enumerate(zip(UPDATES, store.states, strict=True)):
            for number, state in states.items():
                getattr(layer, update)(state, state_idx=number)
                (layer.conv_states, layer.recurrent_states)[kind][number] = state
        return layer

    def aim(self) -> Tensor | Mapping[str, Tensor | None]:
        """Have the next position of each row written behind its last; what it may attend to.

        One mask [B, 1, 1, R], or one by type of layer where these see differently far.
        """
        masks = {}
        for size, slots in self._slots.items():
            self._places[size].copy_(self._lengths % size)
            masks[size] = self._backbone.visible(slots <= self._lengths.unsqueeze(1))
        types = getattr(self._backbone.config, "layer_types", None)
        by_type = {} if types is None else dict(zip(types, self._sizes, strict=True))
        if len({type_ for type_, size in by_type.items() if size}) > 1:
            return {type_: masks.get(size) for type_, size in by_type.items()}
        return masks[max(masks)]

    def keeping_states(self, going: Tensor) -> Callable[[], None]:
        """What brings back the states of those rows that are not `going` [B], once the model has run."""
        before = [state.clone() for state in self._states]

        def restore() -> None:
            for state, old in zip(self._states, before, strict=True):
                chosen = going.view(-1, *[1] * (state.ndim - 1))
                state.copy_(torch.where(chosen, state, old))

        return restore

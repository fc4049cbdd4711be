"""Whether a model's steps can be static, and the tensors that they are taken on, kept for the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from transformers import PreTrainedModel

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.captured import Capturer
from recursivemas.engine.row_cache import RowCache
from recursivemas.engine.static_cache import SERVED
from recursivemas.engine.static_rows import Prepare, StaticRows, Step
from recursivemas.errors import UserError

ATTENTIONS = ("sdpa", "eager")
"""Ways to compute attention that take a prepared mask."""


class StaticPool:
    """Static rows of one model, if it is to have any: `mode` is `on`, `off`, or `auto` for on CUDA alone.

    They are kept when they are given back, and lent again. Raises UserError where `mode` is `on` and a model
    cannot have them.
    """

    def __init__(self, backbone: Backbone, mode: str) -> None:
        self._backbone, self._mode = backbone, mode
        self._obstacle = _obstacle(backbone)
        self._kept: StaticRows | None = None
        self._weights: list[int] = []
        self.prepare: Prepare | None = None
        """What steps are made into; None: on CUDA what is captured, elsewhere themselves."""
        if mode == "on" and self.why_not:
            kind = type(backbone.model).__name__
            raise UserError(f"static_cache is on, and {kind}: {self.why_not}; give --static_cache auto")

    @property
    def why_not(self) -> str:
        """Why the model's steps are dynamic; empty where they are static."""
        device = self._backbone.device
        if self._mode == "off":
            return "static_cache is off"
        if self._mode == "auto" and device.type != "cuda":
            return f"static_cache is auto, which is on for CUDA alone, and the device is {device}"
        return self._obstacle

    def take(self, like: Callable[[], RowCache], num_rows: int, length: int) -> StaticRows:
        """Rows with so many places, with room for so many positions each; `like` gives a row of the model's.

        It is asked for where there are no such rows yet.
        """
        rows, self._kept = self._kept, None
        weights = [tensor.data_ptr() for tensor in _tensors(self._backbone.model)]
        if rows is not None and (rows.num_rows < num_rows or weights != self._weights):
            rows = None
        if rows is None:
            device = self._backbone.device
            prepare = self.prepare or (Capturer(device) if device.type == "cuda" else as_it_is)
            rows = StaticRows(self._backbone, like(), num_rows, length, prepare)
        self._weights = weights
        rows.reserve(length)
        rows.narrow(num_rows)
        return rows

    def give_back(self, rows: StaticRows) -> None:
        """Rows that are not used any more. What an error has left behind is not to be given back."""
        rows.clear()
        self._kept = rows

    def clear(self) -> None:
        """Keep nothing."""
        self._kept = None


def as_it_is(step: Step) -> Step:
    return step


def _tensors(model: PreTrainedModel) -> Iterator[torch.Tensor]:
    """What a captured step has the addresses of: weights that have moved need another."""
    yield from model.parameters()
    yield from model.buffers()


def _obstacle(backbone: Backbone) -> str:
    """Why a model's steps cannot be static; empty where they can."""
    model = backbone.model
    kinds = sorted({type(layer).__name__ for layer in backbone.new_cache().layers} - SERVED)
    devices = {tensor.device for tensor in _tensors(model)}
    quantizer: Any = getattr(model, "hf_quantizer", None)
    obstacles = {
        f"its cache has layers of the kind {', '.join(kinds)}": bool(kinds),
        "its code is not made for caches of fixed size": not backbone.is_compileable,
        f"its attention is {backbone.attention}, not {' or '.join(ATTENTIONS)}": (
            backbone.attention not in ATTENTIONS
        ),
        "its rotary positions change with the length of a text": "dynamic" in backbone.rope_types,
        f"it is spread over {len(devices)} devices": len(devices) > 1,
        "its quantized weights are not made for it": quantizer is not None and not quantizer.is_compileable,
    }
    return next((reason for reason, holds in obstacles.items() if holds), "")

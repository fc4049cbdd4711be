"""Which agents stay on their devices while others compute, and which ones wait elsewhere meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import PreTrainedModel

from recursivemas.agents.checkpoint import LoadError, Outline
from recursivemas.agents.computing import SPLIT, Placement
from recursivemas.agents.memory import free_bytes, tensor_bytes
from recursivemas.agents.residency import MovedModel, Place
from recursivemas.settings import AUTO, OFFLOADS

SHARE = 0.75
"""The part of what is free that weights may take: prompts, caches and what is computed need the rest."""
MAIN_MEMORY = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A model's weights as far as moving them goes."""

    device: Placement
    name: str
    """What agents share that share them."""
    num_bytes: int
    movable: bool
    """Whether they are plain tensors: quantized ones are not."""


@dataclass(frozen=True)
class Moving:
    """How the models of a device move: where they wait, and how many of them are there at a time."""

    place: Place
    num_seats: int


def check_offload(offload: str, quantization: str | None, devices: Mapping[str, Placement]) -> None:
    """Raise LoadError for moving that these devices, by role, or this quantization do not allow."""
    if offload not in OFFLOADS:
        raise LoadError(f"offload {offload!r} is not one of {', '.join(OFFLOADS)}")
    if offload in (AUTO, "none"):
        return
    what = f"offload {offload!r} moves whole models"
    if quantization is not None:
        raise LoadError(f"{what}, and quantized ones cannot be moved; drop --offload or --quantization")
    for role, device in devices.items():
        if device == SPLIT:
            raise LoadError(
                f"{what}, and the {role}'s is split over several devices; give --device cuda, or drop "
                "--offload"
            )
        if device.type not in ("cuda", "cpu"):
            raise LoadError(
                f"{what} between CUDA devices, main memory and disk, and the {role} is on '{device}'; drop "
                "--offload"
            )
        if device.type == "cpu" and offload == "cpu":
            raise LoadError(
                f"{what} to main memory, and the {role} is there already, on 'cpu'; give --offload disk, or "
                "drop it"
            )


def check_movable(offload: str, outlines: Mapping[str, Outline]) -> None:
    """The same for models, by role, that are stored quantized."""
    for role, outline in outlines.items():
        if outline.quantized and offload not in (AUTO, "none"):
            raise LoadError(
                f"offload {offload!r} moves whole models, and the {role}'s is stored quantized and cannot be "
                "moved; drop --offload"
            )


def choose_offload(offload: str, models: Sequence[Weights]) -> dict[Placement, Moving]:
    """How models move, by device, where they do not stay; `offload` has been checked.

    `auto` has them stay where their weights take no more than `SHARE` of what is free, or where nobody knows
    what is; else it has them wait in main memory where there is as much room, and else on disk.
    """
    chosen = {
        device: _choose(offload, device, {one.name: one for one in models if one.device == device})
        for device in dict.fromkeys(one.device for one in models)
    }
    return {device: moving for device, moving in chosen.items() if moving}


def _choose(offload: str, device: Placement, models: Mapping[str, Weights]) -> Moving | None:
    sizes = [one.num_bytes for one in models.values()]
    can_move = device != SPLIT and device.type in ("cuda", "cpu")
    if offload == "none" or len(sizes) < 2 or not can_move:
        return None
    free = free_bytes(device)
    if offload == AUTO and (
        free is None or sum(sizes) <= SHARE * free or not all(one.movable for one in models.values())
    ):
        return None
    # Two seats: while one model computes, the next one comes. On the CPU its files are read ahead instead.
    is_room = free is not None and 2 * max(sizes) <= SHARE * free
    num_seats = 2 if is_room and len(sizes) > 2 and device != MAIN_MEMORY else 1
    place: Place = "cpu" if offload == "cpu" else "disk"
    if offload == AUTO and device != MAIN_MEMORY:
        main = free_bytes(MAIN_MEMORY)
        place = "cpu" if main is not None and sum(sizes) <= SHARE * main else "disk"
    return Moving(place, num_seats)


@dataclass(frozen=True, kw_only=True)
class Offload:
    """How the models of a loaded system move; as it is built without arguments, none does."""

    moving: Mapping[Placement, Moving] = field(default_factory=dict)
    """By device, of those whose models move."""
    models: tuple[MovedModel, ...] = ()

    def place(self, model: PreTrainedModel | None) -> str:
        """Where a model's weights wait; `none` where they stay, as those do that are not held here (None)."""
        moved = self._moved(model)
        return moved.place if moved else "none"

    def weight_bytes(self, model: PreTrainedModel) -> int:
        """What a model's weights and buffers take where they stand, or would if they stood there."""
        moved = self._moved(model)
        return moved.num_bytes if moved else tensor_bytes(model)

    def figures(self, models: Mapping[str, PreTrainedModel | None]) -> dict[str, dict[str, Any]]:
        """By role, of the models that move: where they wait, and how often they have come to their device."""
        pairs = ((role, self._moved(model)) for role, model in models.items())
        return {
            role: {"place": moved.place, "arrivals": moved.num_arrivals} for role, moved in pairs if moved
        }

    def _moved(self, model: PreTrainedModel | None) -> MovedModel | None:
        return next((one for one in self.models if one.model is model), None)

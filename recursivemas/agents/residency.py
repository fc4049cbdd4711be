"""Models that take turns on a device: one computes, the next one comes, the others wait elsewhere.

A model is asked for by using it: its parts call for its weights before they compute. So whatever runs it, a
session of the engine or a caller of `model.generate`, finds them there. The order in which models are used is
taken to be a circle: while one computes, the one after it is copied beside it, or its files are read ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from recursivemas.agents.memory import tensor_bytes
from recursivemas.agents.parking import Layout, MainMemory, OnDisk, Parking

Place = Literal["cpu", "disk"]
"""Where weights wait."""


class MovedModel:
    """A loaded model whose weights come and go. Its buffers, which are small, stay on the device.

    Made of a model on the CPU, which is left without weights, on `device`. Tied weights move once.
    `num_bytes` is what they and the buffers take there, `num_arrivals` counts how often they have come.
    """

    def __init__(self, model: PreTrainedModel, model_dir: Path, device: torch.device, place: Place) -> None:
        self.model = model
        self.place = place
        self.num_arrivals = 0
        self.num_bytes = tensor_bytes(model)
        self._groups = _tied(model)
        names, weights = list(self._groups), [group[0].data for group in self._groups.values()]
        self.layout = Layout.of(weights)
        self.parking: Parking = (
            MainMemory(weights, pinned=device.type == "cuda")
            if place == "cpu"
            else OnDisk(weights, names, model_dir)
        )
        self.leave()
        model.to(device)

    def arrive(self, weights: Sequence[Tensor]) -> None:
        """Compute with these weights from now on."""
        for group, weight in zip(self._groups.values(), weights, strict=True):
            for parameter in group:
                parameter.data = weight

    def leave(self) -> None:
        """Let go of the weights; what is left of them says their dtype and device still."""
        for group in self._groups.values():
            for parameter in group:
                parameter.data = parameter.data.new_empty(0)

    def call_before_use(self, call: Callable[[], None]) -> None:
        """Have that called before each use of the model, or of a part that the engine uses by itself."""
        model = self.model
        parts = [model, model.get_decoder(), model.get_input_embeddings(), model.get_output_embeddings()]
        for part in parts:
            part.register_forward_pre_hook(lambda *_: call())


def _tied(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """A model's parameters by name, those that are the same memory under one name."""
    by_memory: dict[object, str] = {}
    groups: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.numel():
            memory = parameter.data_ptr(), parameter.shape, parameter.stride()
            groups.setdefault(by_memory.setdefault(memory, name), []).append(parameter)
    return groups


class _Seat:
    """Room for one model's weights: memory of the device, or none where their files are computed with."""

    def __init__(self, memory: Tensor | None) -> None:
        self.memory = memory
        self.model: MovedModel | None = None
        self.arrival: Future[tuple[list[Tensor], torch.cuda.Event | None]] | None = None


class Residency:
    """Lets models take turns on their device, in `num_seats` places, in the order in which they stand."""

    def __init__(self, device: torch.device, models: Sequence[MovedModel], num_seats: int) -> None:
        self._models = list(models)
        self._copier = _Copier(device)
        self._present: MovedModel | None = None
        largest = max(one.layout.num_bytes for one in models)
        in_place = device.type == "cpu" and all(one.place == "disk" for one in models)
        self._seats = [
            _Seat(None if in_place else torch.empty(largest, dtype=torch.uint8, device=device))
            for _ in range(num_seats)
        ]
        """The one that was used last stands last."""
        for one in models:
            one.call_before_use(lambda one=one: self.bring(one))  # type: ignore[misc]

    def bring(self, model: MovedModel) -> None:
        """Have a model's weights on the device, and the next one's on their way."""
        if model is self._present:
            return
        seat = self._seat_of(model) or self._send_for(model)
        self._seats.remove(seat)
        self._seats.append(seat)
        model.arrive(self._copier.wait(seat.arrival))
        self._present = model
        follower = self._models[(self._models.index(model) + 1) % len(self._models)]
        if len(self._seats) > 1 and self._seat_of(follower) is None:
            self._send_for(follower)
        follower.parking.read_ahead()

    def _seat_of(self, model: MovedModel) -> _Seat | None:
        return next((seat for seat in self._seats if seat.model is model), None)

    def _send_for(self, model: MovedModel) -> _Seat:
        """Have a model come into the seat whose model was used longest ago, which leaves."""
        seat = self._seats[0]
        if seat.model is not None:
            seat.model.leave()
        seat.model = model
        seat.arrival = self._copier.start(model, seat.memory)
        model.num_arrivals += 1
        return seat


class _Copier:
    """Brings weights onto a device beside what it computes: in a thread, on CUDA in a stream of its own."""

    def __init__(self, device: torch.device) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="weights")
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def start(
        self, model: MovedModel, memory: Tensor | None
    ) -> Future[tuple[list[Tensor], torch.cuda.Event | None]]:
        # What has been asked of the device so far may still read what is in that memory now.
        free = torch.cuda.current_stream(self._stream.device).record_event() if self._stream else None
        return self._pool.submit(self._copy, model, memory, free)

    def _copy(
        self, model: MovedModel, memory: Tensor | None, free: torch.cuda.Event | None
    ) -> tuple[list[Tensor], torch.cuda.Event | None]:
        weights = model.parking.open()
        if memory is None:
            return weights, None
        views = model.layout.views(memory)
        with torch.cuda.stream(self._stream):
            if self._stream and free:
                self._stream.wait_event(free)
            for view, weight in zip(views, weights, strict=True):
                view.copy_(weight, non_blocking=True)
            return views, self._stream.record_event() if self._stream else None

    def wait(self, arrival: Future[tuple[list[Tensor], torch.cuda.Event | None]] | None) -> list[Tensor]:
        """The weights, once they are there; on CUDA what is asked of the device next waits for them."""
        assert arrival is not None, "a seat has had somebody sent for"
        weights, event = arrival.result()
        if self._stream and event:
            torch.cuda.current_stream(self._stream.device).wait_event(event)
        return weights

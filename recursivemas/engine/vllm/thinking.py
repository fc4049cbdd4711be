"""Thinking inside a vLLM worker: a latent step is an ordinary decode step, among those of other requests.

A request that thinks names its inner link in its extra arguments. What it samples counts for nothing: at
each of its steps the link's thought of the last hidden state is kept, and stands at the next position, where
the embedding of the sampled token would have stood. Nothing waits for the device. A request that was
preempted reads its thoughts again when it comes back, as others read their tokens.

The model's own `compute_logits` sees the hidden states (`ThinkingModel`). What comes before a step is
different in vLLM's two model runners: `recursivemas.engine.vllm.runners`.

Shapes: B requests of a step, L latent steps, N positions of a step, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recursivemas.links import InnerLink

ARGUMENT = "recursivemas"
"""The extra argument of a request: {"name": ..., "link": ...}, without a link for one that writes."""
THINKING = "recursivemas"
"""The name of the loader (`recursivemas.engine.vllm.worker`) whose models think."""


@dataclass(frozen=True)
class Part:
    """What a step reads of a request."""

    asked: dict[str, str] | None
    """Its extra argument; None for a request of someone else."""
    prompt: int
    """Positions of its prompt."""
    past: int
    """Positions that are behind it already."""
    count: int
    """Positions of this step."""


@dataclass(frozen=True)
class _Step:
    """The next thought of a request."""

    name: str
    """Under which its thoughts are kept."""
    link: str
    """The name of its inner link."""
    index: int
    """Of the request among those of the step."""


class Health:
    """Which requests have had logits that nothing can be sampled from; noted without delay."""

    def __init__(self, device: torch.device) -> None:
        self._failed = torch.zeros(0, dtype=torch.bool, device=device)  # one a place
        self._places: dict[str, int] = {}
        self._free: list[int] = []

    def note(self, names: Sequence[str], logits: Tensor) -> None:
        """Look at a step's logits [B, V] of requests with these names."""
        places = _index([self._place(name) for name in names], logits)
        self._failed[places] |= ~logits.amax(dim=-1).isfinite()

    def take(self, names: Sequence[str]) -> list[bool]:
        """Whether requests have failed; they are forgotten here. Those that were never noted have not."""
        failed = self._failed.tolist()
        places = {name: self._places.pop(name) for name in names if name in self._places}
        self._failed[_index([*places.values()], self._failed)] = False
        self._free += places.values()
        return [name in places and failed[places[name]] for name in names]

    def _place(self, name: str) -> int:
        if name not in self._places:
            if not self._free:
                self._free = [len(self._failed)]
                self._failed = torch.cat([self._failed, self._failed.new_zeros(1)])
            self._places[name] = self._free.pop()
        return self._places[name]


class Thinker:
    """Puts thoughts into a model's steps, and takes them out.

    Each step goes through `feed` and `keep`, and through `watch` where its logits are seen.
    """

    def __init__(self, device: torch.device) -> None:
        self.links: dict[str, InnerLink] = {}
        """The inner links that requests may name."""
        self.thoughts: dict[str, list[Tensor]] = defaultdict(list)
        """[D] a step, in the link's dtype, by the request's own name."""
        self.health = Health(device)
        """Of requests that write."""
        self._steps: list[_Step] = []
        self._writing: list[tuple[int, str]] = []

    def feed(self, parts: Iterable[Part], embeddings: Tensor) -> None:
        """Put thoughts into a step's input embeddings [N, D], the rows of its parts one after another."""
        rows: list[int] = []
        read: list[Tensor] = []
        self._steps, self._writing = [], []
        after = 0  # where the part's rows end
        for index, part in enumerate(parts):
            after += part.count
            if part.asked is None:
                continue
            name = part.asked["name"]
            if "link" not in part.asked:
                self._writing.append((index, name))
                continue
            thoughts = self.thoughts[name]
            end = part.past + part.count - part.prompt
            for step in range(max(part.past - part.prompt, 0), end):
                rows.append(after - (end - step))
                read.append(thoughts[step])
            if end == len(thoughts):
                self._steps.append(_Step(name, part.asked["link"], index))
        if rows:
            embeddings[_index(rows, embeddings)] = torch.stack(read).to(embeddings.dtype)

    def keep(self, hidden: Tensor) -> None:
        """Make the next thoughts of a step's last hidden states [B, D], one a request."""
        by_link: dict[str, list[_Step]] = defaultdict(list)
        for step in self._steps:
            by_link[step.link].append(step)
        for link, steps in by_link.items():
            last = hidden[_index([step.index for step in steps], hidden)]
            for step, thought in zip(steps, self.links[link](last), strict=True):
                self.thoughts[step.name].append(thought)
        self._steps = []

    def watch(self, logits: Tensor) -> None:
        """Look at a step's logits [B, V]."""
        if self._writing:
            indices, names = zip(*self._writing, strict=True)
            self.health.note(names, logits[_index(indices, logits)])
            self._writing = []


class ThinkingModel:
    """Comes before a model class of vLLM's, whichever family it is of; `thinker` is given to the model."""

    thinker: Thinker

    def compute_logits(self, hidden: Tensor) -> Tensor | None:
        """The logits [B, V] of hidden states [B, D]; None in workers that do not sample."""
        self.thinker.keep(hidden)
        model: Any = super()
        logits: Tensor | None = model.compute_logits(hidden)
        if logits is not None:
            self.thinker.watch(logits)
        return logits


def _index(rows: Sequence[int], like: Tensor) -> Tensor:
    """Row numbers on a tensor's device; the device is not waited for."""
    on_cuda = like.device.type == "cuda"
    return torch.tensor(rows, dtype=torch.long, pin_memory=on_cuda).to(like.device, non_blocking=True)

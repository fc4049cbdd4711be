"""Thinking inside a vLLM worker: a latent step is an ordinary decode step, among those of other requests.

A request that thinks names its inner link in its extra arguments. What it samples counts for nothing: at
each of its steps the link's thought of the last hidden state is kept, and stands at the next position, where
the embedding of the sampled token would have stood. Nothing waits for the device. A request that was
preempted reads its thoughts again when it comes back, as others read their tokens.

This works with vLLM's V1 model runner alone: `_preprocess` makes the embeddings of a step, `_model_forward`
runs it. Both are private, so the version is pinned (`recursivemas.engine.vllm.start`).

Shapes: B requests of a step, L latent steps, N positions of a step, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recursivemas.links import InnerLink

ARGUMENT = "recursivemas"
"""The extra argument of a request: {"name": ..., "link": ...}, without a link for one that writes."""


@dataclass(frozen=True)
class _Step:
    """The next thought of a request."""

    name: str
    """Under which its thoughts are kept."""
    link: str
    """The name of its inner link."""
    row: int
    """Where its hidden state stands among those of the step."""


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
    """Puts thoughts into a model runner's steps, and takes them out."""

    def __init__(self, runner: Any) -> None:
        self.links: dict[str, InnerLink] = {}
        """The inner links that requests may name."""
        self.thoughts: dict[str, list[Tensor]] = defaultdict(list)
        """[D] a step, in the link's dtype, by the request's own name."""
        self.health = Health(runner.device)
        """Of requests that write."""
        self._runner = runner
        self._steps: list[_Step] = []
        self._writing: list[tuple[int, str]] = []
        self._preprocess, self._model_forward = runner._preprocess, runner._model_forward
        self._compute_logits = runner.model.compute_logits
        runner._preprocess, runner._model_forward = self._feed, self._keep
        runner.model.compute_logits = self._watch

    def _feed(self, scheduler_output: Any, *arguments: Any, **options: Any) -> Any:
        """The runner's inputs of a step, thoughts put where they are read."""
        inputs = self._preprocess(scheduler_output, *arguments, **options)
        embeddings = inputs[1]  # [N, D]
        rows: list[int] = []
        read: list[Tensor] = []
        self._steps, self._writing = [], []
        for index, (request, first, past, count) in enumerate(self._scheduled(scheduler_output)):
            asked = (request.sampling_params.extra_args or {}).get(ARGUMENT)
            if asked is None:
                continue
            if "link" not in asked:
                self._writing.append((index, asked["name"]))
                continue
            thoughts = self.thoughts[asked["name"]]
            end = past + count - request.num_prompt_tokens
            begin = max(past - request.num_prompt_tokens, 0)
            for step in range(begin, end):
                rows.append(first + count - (end - step))
                read.append(thoughts[step])
            if end == len(thoughts):
                self._steps.append(_Step(asked["name"], asked["link"], first + count - 1))
        if rows:
            embeddings[_index(rows, embeddings)] = torch.stack(read).to(embeddings.dtype)
        return inputs

    def _scheduled(self, scheduler_output: Any) -> Iterator[tuple[Any, int, int, int]]:
        """Each request of a step: its first row, how many positions it has behind it, how many now."""
        runner, first = self._runner, 0
        for index, request_id in enumerate(runner.input_batch.req_ids):
            count = scheduler_output.num_scheduled_tokens[request_id]
            past = int(runner.input_batch.num_computed_tokens_cpu[index])
            yield runner.requests[request_id], first, past, count
            first += count

    def _keep(self, *arguments: Any, **inputs: Any) -> Any:
        """The runner's hidden states [N, D] of a step, from which the next thoughts are made."""
        hidden = self._model_forward(*arguments, **inputs)
        by_link: dict[str, list[_Step]] = defaultdict(list)
        for step in self._steps:
            by_link[step.link].append(step)
        for link, steps in by_link.items():
            last = hidden[_index([step.row for step in steps], hidden)]  # [B, D]
            for step, thought in zip(steps, self.links[link](last), strict=True):
                self.thoughts[step.name].append(thought)
        self._steps = []
        return hidden

    def _watch(self, hidden: Tensor) -> Tensor | None:
        """The model's logits [B, V] of a step, a row a request; None in workers that do not sample."""
        logits: Tensor | None = self._compute_logits(hidden)
        if self._writing and logits is not None:
            indices, names = zip(*self._writing, strict=True)
            self.health.note(names, logits[_index(indices, logits)])
            self._writing = []
        return logits


def _index(rows: Sequence[int], like: Tensor) -> Tensor:
    """Row numbers on a tensor's device; the device is not waited for."""
    on_cuda = like.device.type == "cuda"
    return torch.tensor(rows, dtype=torch.long, pin_memory=on_cuda).to(like.device, non_blocking=True)

"""What is read of each request, and where thoughts are put, in vLLM's two model runners.

The V2 runner asks a model class for a state of its own (`get_model_state_cls`), whose `prepare_inputs_embeds`
comes before every step, outside of CUDA graphs. The V1 runner has no such door: its `_preprocess`, which is
private, makes the embeddings of a step. vLLM's version is pinned (`recursivemas.engine.vllm.start`).

Shapes: N positions of a step, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from recursivemas.engine.vllm.thinking import ARGUMENT, Part, Thinker


class ThinkingState:
    """Comes before the class of state that vLLM's V2 runner would take for a `ThinkingModel`."""

    model: Any

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._requests: dict[str, Part] = {}
        """What steps read of them is filled in step by step."""

    def add_request(self, req_index: int, new_req_data: Any) -> None:
        """Also of one that was preempted, and comes back."""
        state: Any = super()
        state.add_request(req_index, new_req_data)
        asked = _asked(new_req_data.sampling_params)
        self._requests[new_req_data.req_id] = Part(asked, new_req_data.prompt_len, past=0, count=0)

    def remove_request(self, req_id: str) -> None:
        state: Any = super()
        state.remove_request(req_id)
        self._requests.pop(req_id, None)

    def prepare_inputs_embeds(
        self, scheduled_encoder_inputs: Any, input_batch: Any, req_states: Any
    ) -> Tensor:
        """[N, D], the runner's own buffer, which its CUDA graphs read."""
        state: Any = super()
        embeddings: Tensor = state.prepare_inputs_embeds(scheduled_encoder_inputs, input_batch, req_states)
        self.model.thinker.feed(self._parts(input_batch), embeddings)
        return embeddings

    def _parts(self, batch: Any) -> Iterator[Part]:
        pasts, counts = batch.num_computed_tokens_np, batch.num_scheduled_tokens
        for name, past, count in zip(batch.req_ids, pasts.tolist(), counts.tolist(), strict=True):
            yield replace(self._requests[name], past=past, count=count)


def feed_v1(runner: Any, thinker: Thinker) -> None:
    """Have a V1 runner's steps go through `thinker.feed`."""
    preprocess = runner._preprocess

    def parts(scheduler_output: Any) -> Iterator[Part]:
        batch = runner.input_batch
        for index, name in enumerate(batch.req_ids):
            request = runner.requests[name]
            past = int(batch.num_computed_tokens_cpu[index])
            count = scheduler_output.num_scheduled_tokens[name]
            yield Part(_asked(request.sampling_params), request.num_prompt_tokens, past, count)

    def feed(scheduler_output: Any, *arguments: Any, **options: Any) -> Any:
        inputs = preprocess(scheduler_output, *arguments, **options)
        thinker.feed(parts(scheduler_output), inputs[1])
        return inputs

    runner._preprocess = feed


def _asked(sampling_params: Any) -> dict[str, str] | None:
    """What a request was given for us; None for one that samples nothing."""
    extra = sampling_params.extra_args if sampling_params is not None else None
    asked: dict[str, str] | None = (extra or {}).get(ARGUMENT)
    return asked

"""A language model as the engine sees it: embeddings in, last hidden states out.

Shapes: B batch, T positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache

from recursivemas.engine.growing_cache import growing_cache
from recursivemas.errors import UserError


class Backbone:
    """The text part of a transformers causal language model.

    Multimodal models (Gemma3 with its vision tower) are reached through their decoder; the rest stays idle.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.config = model.config.get_text_config()
        self._decoder = model.get_decoder()
        self._embedding = model.get_input_embeddings()
        self._head = model.get_output_embeddings()
        # Newer versions of transformers have renamed the cache, and remote code keeps the older name.
        parameters = inspect.signature(self._decoder.forward).parameters
        self._cache_name = "cache" if "cache" in parameters else "past_key_values"

    @property
    def hidden_size(self) -> int:
        return int(self.config.hidden_size)

    @property
    def num_embeddings(self) -> int:
        """How many token ids the model embeds: those from 0 up to it."""
        return int(self._embedding.num_embeddings)

    @property
    def num_logits(self) -> int:
        return int(self._head.out_features)

    @property
    def dtype(self) -> torch.dtype:
        return self._embedding.weight.dtype

    @property
    def device(self) -> torch.device:
        return self._embedding.weight.device

    @property
    def max_positions(self) -> int | None:
        """The longest sequence that the model was made for, None where its configuration does not say."""
        return getattr(self.config, "max_position_embeddings", None)

    @property
    def attention(self) -> str:
        """How it computes attention, by transformers' name."""
        return self.config._attn_implementation

    @property
    def is_compileable(self) -> bool:
        """Whether it says of itself that it runs on a cache of fixed size without looking into it."""
        return bool(getattr(self._decoder, "_can_compile_fullgraph", False))

    @property
    def rope_types(self) -> set[str]:
        """Kinds of rotary positions that its layers have."""
        parameters = getattr(self.config, "rope_parameters", None) or {}
        by_layer = [one for one in parameters.values() if isinstance(one, Mapping)] or [parameters]
        return {one.get("rope_type", "default") for one in by_layer}

    def new_cache(self) -> DynamicCache:
        """An empty cache with the right kind of layer for each of the model's (full, sliding, linear)."""
        return growing_cache(self.config)

    def embed(self, token_ids: Sequence[int] | Tensor) -> Tensor:
        """Token ids [...] -> input embeddings [..., D], scaled where the model scales them (Gemma3).

        Raises UserError for ids of a sequence that the model does not embed. Those of a tensor, which it has
        itself chosen, are not looked at: that would be waiting for the accelerator at every step.
        """
        if not isinstance(token_ids, Tensor) and max(token_ids, default=0) >= self.num_embeddings:
            raise UserError(
                f"token {max(token_ids)} has no embedding: the model embeds {self.num_embeddings} tokens, "
                "its tokenizer knows more"
            )
        with keep_double(self.dtype):
            return self._embedding(torch.as_tensor(token_ids, dtype=torch.long, device=self.device))

    def hidden(
        self, embeddings: Tensor, mask: Tensor, positions: Tensor, cache: DynamicCache | None
    ) -> Tensor:
        """Hidden states after the final norm at the last position, [B, D].

        `embeddings` [B, T, D] are the new positions; `mask` [B, T_past + T] covers the cached ones too;
        `positions` [B, T] are rotary positions that count real tokens only. `cache` is extended in place.
        """
        states = self._run(embeddings, mask, positions, cache)
        return states[:, -1].to(self.device)  # a split model ends on another device

    def states(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Hidden states after the final norm at every position, [B, T, D], with their gradients.

        `embeddings` [B, T, D] and `mask` [B, T] are those of a `PromptBatch`; nothing is cached.
        """
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        return self._run(embeddings, mask, positions, None).to(self.device)

    def visible(self, mask: Tensor) -> Tensor:
        """What one new position a row may attend to, [B, S] bool -> [B, 1, 1, S] as the model's attention
        takes it: transformers' own code would ask the device at every step how the mask looks."""
        prepared = mask[:, None, None, :]
        if self.attention == "sdpa":
            return prepared
        hidden = torch.finfo(self.dtype).min
        return torch.zeros_like(prepared, dtype=self.dtype).masked_fill(~prepared, hidden)

    def step(
        self, inputs: Tensor, mask: Tensor | Mapping[str, Tensor | None], positions: Tensor, cache: Cache
    ) -> Tensor:
        """Hidden states [B, D] after one new position a row, with input embeddings [B, D] of any dtype.

        `mask` is made of what `visible` returns: one for all layers, or one by type of layer; `positions` [B]
        are rotary positions. `cache` is extended in place.
        """
        return self._run(inputs.to(self.dtype).unsqueeze(1), mask, positions.unsqueeze(1), cache)[:, -1]

    def _run(
        self,
        embeddings: Tensor,
        mask: Tensor | Mapping[str, Tensor | None],
        positions: Tensor,
        cache: Cache | None,
    ) -> Tensor:
        with keep_double(self.dtype):
            outputs: Any = self._decoder(
                inputs_embeds=embeddings,
                attention_mask=mask,
                position_ids=positions,
                use_cache=cache is not None,
                **{self._cache_name: cache},
            )
        return outputs.last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [B, D] -> next-token logits [B, V] in float32, or float64 for a float64 model."""
        with keep_double(self.dtype):
            logits = self._head(hidden).to(self.device)
        cap = getattr(self.config, "final_logit_softcapping", None)
        if cap is not None:
            logits = torch.tanh(logits / cap) * cap
        return logits if logits.dtype == torch.float64 else logits.float()


class _KeepDouble(TorchFunctionMode):
    """Turns a request to bring a float64 tensor down to float32 into no change of precision.

    Model code casts to float32 in places (norms, rotary tables, the gated delta rule), also in a float64
    model. A float64 run is there to show that two computations are equal, and those casts would hide the
    difference behind float32 rounding.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if not kwargs and func is not Tensor.float and func is not Tensor.to:
            return func(*args)  # it says no dtype, as nearly all operations do
        kwargs = dict(kwargs or {})
        if args and isinstance(args[0], Tensor) and args[0].dtype == torch.float64:
            if func is Tensor.float:
                return args[0]
            args = (args[0], *(_widened(value) for value in args[1:]))
            kwargs = {name: _widened(value) for name, value in kwargs.items()}
        return func(*args, **kwargs)


def _widened(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


def keep_double(dtype: torch.dtype) -> AbstractContextManager[Any]:
    """A context in which a model of that dtype computes without losing precision on the way.

    Only float64 needs one: it costs a Python call per operation, which a verification run can afford.
    """
    return _KeepDouble() if dtype == torch.float64 else nullcontext()

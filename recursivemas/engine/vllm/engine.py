"""vLLM behind the engine's door: one model, whose thoughts and texts are steps in vLLM's batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import GenerationConfig

from recursivemas.engine.base import Prompt
from recursivemas.engine.prefix_cache import PrefixCache
from recursivemas.engine.stream import check_lengths
from recursivemas.engine.vllm.core import Core
from recursivemas.engine.vllm.embeddings import Embeddings
from recursivemas.engine.vllm.session import VllmSession


class VllmEngine:
    """A causal language model that vLLM runs.

    `embeddings` are those of its tokens, `device` is where thoughts come out, `generation_config` holds the
    model's own sampling settings.
    """

    def __init__(
        self,
        core: Core,
        embeddings: Embeddings,
        device: torch.device,
        generation_config: GenerationConfig | None,
    ) -> None:
        self.prefix_cache = PrefixCache(0)
        """Says whether anything is kept; what is, and how much, is vLLM's affair."""
        self._core = core
        self._embeddings = embeddings
        self._device = device
        self._generation_config = generation_config

    @property
    def hidden_size(self) -> int:
        return self._embeddings.hidden_size

    @property
    def dtype(self) -> torch.dtype:
        return self._embeddings.dtype

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def num_embeddings(self) -> int:
        return self._embeddings.number

    @property
    def max_positions(self) -> int | None:
        return self._core.max_positions

    @property
    def generation_config(self) -> GenerationConfig | None:
        return self._generation_config

    def open(self, prompts: Sequence[Prompt]) -> VllmSession:
        rows = [self._embeddings.of_prompt(prompt) for prompt in prompts]
        check_lengths([len(row) for row in rows])
        reuse = self.prefix_cache.max_bytes > 0
        return VllmSession(self._core, self._embeddings, rows, device=self.device, reuse=reuse)

    def describe(self) -> dict[str, str]:
        return {"backend": "vllm"}

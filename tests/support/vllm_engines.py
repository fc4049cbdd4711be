"""Tiny random models as vLLM runs them, beside the same models in our engine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from transformers import PreTrainedModel

from recursivemas.engine import LocalEngine
from recursivemas.engine.vllm import Model, Share, VllmEngine, start_engine
from recursivemas.zoo import backbones as zoo
from tests.support.backbones import SLIDING_WINDOW, TOKENS, VOCAB_SIZE

CPU = torch.device("cpu")
CACHE_BYTES = 64 << 20
MAKERS = {
    "qwen3": lambda: zoo.make_qwen3(48, TOKENS),
    "llama": lambda: zoo.make_llama(64, TOKENS),
    "qwen2": lambda: zoo.make_qwen2(64, TOKENS),
    "gemma3_text": lambda: zoo.make_gemma3_text(56, TOKENS, sliding_window=SLIDING_WINDOW),
    "gemma3": lambda: zoo.make_gemma3(56, TOKENS, sliding_window=SLIDING_WINDOW),
    "mistral": lambda: zoo.make_mistral(80, TOKENS, sliding_window=SLIDING_WINDOW),
}
"""With heads of 32 features: vLLM's kernels for CPUs know none that are smaller."""
HYBRIDS = {
    "qwen3_5_text": lambda: zoo.make_qwen3_5_text(128, TOKENS, head_dim=64),
    "qwen3_5": lambda: zoo.make_qwen3_5(128, TOKENS, head_dim=64),
}
"""Those that vLLM computes in bfloat16 alone on a CPU."""


def model_for_vllm(name: str) -> PreTrainedModel:
    """A random model of that backbone in float32, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {**MAKERS, **HYBRIDS}[name]().eval()


def vllm_engine(model: PreTrainedModel, cache_bytes: int = CACHE_BYTES, workers: int = 1) -> VllmEngine:
    """vLLM on a copy of the model, spread over so many workers."""
    config = model.config.get_text_config()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        described = Model(
            folder=Path(folder),
            name="the tiny model",
            config=config,
            is_multimodal=config is not model.config,
            generation=None,
            dtype=model.dtype,
            device=CPU,
            trust_remote_code=False,
        )
        return start_engine(described, Share(weights=0, cache=cache_bytes, total=1), workers)


def prompts_with_latents(engine: LocalEngine, lengths=(5, 40, 17, 1)):
    """Prompts of token ids around a message of four latents; the same each time."""
    chance = torch.Generator().manual_seed(3)

    def ids(count):
        return tuple(torch.randint(11, VOCAB_SIZE, (count,), generator=chance).tolist())

    return [
        [ids(length), 0.1 * torch.randn(4, engine.hidden_size, generator=chance), ids(5)]
        for length in lengths
    ]

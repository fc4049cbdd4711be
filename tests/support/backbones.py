"""Tiny random models of every backbone, in their real architecture classes, each with its own hidden size."""

from __future__ import annotations

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3_5TextConfig,
    Qwen3Config,
)

from recursivemas.engine import LocalEngine
from recursivemas.engine.backbone import Backbone
from recursivemas.links import InnerLink

VOCAB_SIZE = 211
SLIDING_WINDOW = 8  # shorter than the prompts of the tests, so that it slides

_COMMON = {
    "vocab_size": VOCAB_SIZE,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.1,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_GEMMA = {
    **_COMMON,
    "hidden_size": 48,
    "head_dim": 16,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "sliding_window": SLIDING_WINDOW,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}
CONFIGS = {
    "qwen3": lambda: Qwen3Config(
        **_COMMON, hidden_size=40, head_dim=16, intermediate_size=72, num_hidden_layers=3
    ),
    "llama": lambda: LlamaConfig(**_COMMON, hidden_size=56, intermediate_size=96, num_hidden_layers=3),
    "qwen2": lambda: Qwen2Config(**_COMMON, hidden_size=64, intermediate_size=104, num_hidden_layers=3),
    "gemma3_text": lambda: Gemma3TextConfig(**_GEMMA),
    "gemma3": lambda: Gemma3Config(
        text_config=_GEMMA,
        vision_config={
            "hidden_size": 8,
            "intermediate_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "image_size": 28,
            "patch_size": 14,
        },
        mm_tokens_per_image=4,
    ),
    "qwen3_5": lambda: Qwen3_5TextConfig(
        **_COMMON,
        hidden_size=72,
        head_dim=16,
        intermediate_size=88,
        num_hidden_layers=4,
        linear_num_key_heads=2,
        linear_num_value_heads=4,
        linear_key_head_dim=16,
        linear_value_head_dim=12,
    ),
    "mistral": lambda: MistralConfig(
        **_COMMON, hidden_size=80, intermediate_size=112, num_hidden_layers=3, sliding_window=SLIDING_WINDOW
    ),
}
BACKBONES = tuple(CONFIGS)


def tiny_model(name: str, dtype: torch.dtype = torch.float64, seed: int = 0) -> PreTrainedModel:
    """A random model of that backbone, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = CONFIGS[name]()
        if name == "gemma3":
            model = Gemma3ForConditionalGeneration(config)
        else:
            model = AutoModelForCausalLM.from_config(config)
        return model.to(dtype).eval()


def tiny_engine(name: str, dtype: torch.dtype = torch.float64, seed: int = 0) -> LocalEngine:
    return LocalEngine(tiny_model(name, dtype, seed))


def tiny_backbone(name: str, dtype: torch.dtype = torch.float64, seed: int = 0) -> Backbone:
    return Backbone(tiny_model(name, dtype, seed))


def tiny_inner_link(
    engine: Backbone | LocalEngine, dtype: torch.dtype | None = None, seed: int = 1
) -> InnerLink:
    """A random inner link whose thoughts have about the norm of the model's embeddings."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        link = InnerLink(engine.hidden_size)
        embeddings = engine.model.get_input_embeddings()(torch.arange(VOCAB_SIZE, device=engine.device))
        scale = embeddings.detach().float().std().item()
        torch.nn.init.constant_(link.post_ln.weight, scale)
        return link.to(dtype or engine.dtype).eval().requires_grad_(False)

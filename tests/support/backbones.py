"""Tiny random models of every backbone, each with its own hidden size, in any dtype."""

from __future__ import annotations

from collections.abc import Callable

import torch
from transformers import PreTrainedModel

from recursivemas.engine import LocalEngine
from recursivemas.engine.backbone import Backbone
from recursivemas.links import InnerLink
from recursivemas.zoo import backbones as zoo

VOCAB_SIZE = 211
SLIDING_WINDOW = 8  # shorter than the prompts of the tests, so that it slides

TOKENS = zoo.Tokens(vocab_size=VOCAB_SIZE, max_length=512, bos=1, eos=2, pad=0)
_SMALL = {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.1,
    "rope_parameters": None,
    "tie_word_embeddings": False,
}
_GEMMA = {
    **_SMALL,
    "head_dim": 16,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "query_pre_attn_scalar": 256,
    "sliding_window": SLIDING_WINDOW,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    "tie_word_embeddings": True,
}
_QWEN3_5 = {
    **_SMALL,
    "head_dim": 16,
    "intermediate_size": 88,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 12,
}
_MAKERS: dict[str, Callable[[], PreTrainedModel]] = {
    "qwen3": lambda: zoo.make_qwen3(40, TOKENS, **_SMALL, head_dim=16, intermediate_size=72),
    "llama": lambda: zoo.make_llama(56, TOKENS, **_SMALL, head_dim=14, intermediate_size=96),
    "qwen2": lambda: zoo.make_qwen2(64, TOKENS, **_SMALL, intermediate_size=104),
    "gemma3_text": lambda: zoo.make_gemma3_text(48, TOKENS, **_GEMMA),
    "gemma3": lambda: zoo.make_gemma3(48, TOKENS, **_GEMMA),
    "qwen3_5": lambda: zoo.make_qwen3_5_text(72, TOKENS, **_QWEN3_5),
    "mistral": lambda: zoo.make_mistral(
        80, TOKENS, **_SMALL, head_dim=20, intermediate_size=112, sliding_window=SLIDING_WINDOW
    ),
}
BACKBONES = tuple(_MAKERS)


def tiny_model(name: str, dtype: torch.dtype = torch.float64, seed: int = 0) -> PreTrainedModel:
    """A random model of that backbone, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _MAKERS[name]().to(dtype).eval()


def tiny_engine(
    name: str, dtype: torch.dtype = torch.float64, seed: int = 0, static_cache: str = "auto"
) -> LocalEngine:
    return LocalEngine(tiny_model(name, dtype, seed), static_cache)


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

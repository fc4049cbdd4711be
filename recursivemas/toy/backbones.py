"""Toy backbones: the real architecture classes, a few hundred thousand parameters each.

A `make_` function takes the hidden size and the tokenizer and gives an untrained model, initialised from
PyTorch's current random state, in its default dtype. Source: docs/protocol.md, "Backbones".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3_5Config,
    Qwen3_5ForCausalLM,
    Qwen3_5ForConditionalGeneration,
    Qwen3_5TextConfig,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from recursivemas.toy import tokenization
from recursivemas.toy.tokenization import TokenizerFamily

INITIALIZER_RANGE = 0.12
"""About 1 / sqrt(hidden size), so that activations keep their size from layer to layer."""
HEAD_DIM = 32
SLIDING_WINDOW = 64
"""Of the Gemma3 toy: shorter than any real prompt, so that windows slide."""
GEMMA_ATTENTION_GAIN = 0.5
GEMMA_FEEDFORWARD_GAIN = 1.2


MakeModel = Callable[[int, PreTrainedTokenizerFast], PreTrainedModel]


@dataclass(frozen=True, kw_only=True)
class Family:
    """A model family: its architecture, its tokenizer, and what its `generation_config.json` holds.

    `stop_tokens` end a text by the generation config, besides the tokenizer's end of sequence.
    """

    make_model: MakeModel
    tokenizer: TokenizerFamily
    max_length: int
    generation: Mapping[str, Any]
    stop_tokens: tuple[str, ...] = ()


def _common(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": tokenizer.model_max_length,
        "initializer_range": INITIALIZER_RANGE,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _rope(theta: float) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta}


def make_qwen2(hidden_size: int, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """`hidden_size` has to be a multiple of HEAD_DIM: this family has no head size of its own."""
    config = Qwen2Config(
        **_common(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=3 * hidden_size,
        num_hidden_layers=3,
        num_attention_heads=hidden_size // HEAD_DIM,
        num_key_value_heads=1,
        rope_parameters=_rope(10_000.0),
        tie_word_embeddings=False,
    )
    return Qwen2ForCausalLM(config)


def make_qwen3(hidden_size: int, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    config = Qwen3Config(
        **_common(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=3 * hidden_size,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=HEAD_DIM,
        rope_parameters=_rope(1_000_000.0),
        tie_word_embeddings=True,
    )
    return Qwen3ForCausalLM(config)


def make_llama(hidden_size: int, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    max_length = tokenizer.model_max_length
    config = LlamaConfig(
        **_common(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=4 * hidden_size,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=HEAD_DIM,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": max_length // 4,
        },
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


def make_mistral(hidden_size: int, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    config = MistralConfig(
        **_common(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=3 * hidden_size,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=HEAD_DIM,
        sliding_window=4096,
        rope_parameters=_rope(10_000.0),
        tie_word_embeddings=False,
    )
    return MistralForCausalLM(config)


def make_gemma3(hidden_size: int, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """The multimodal configuration, as published, with a vision tower of a few thousand parameters."""
    text = {
        **_common(tokenizer),
        "hidden_size": hidden_size,
        "intermediate_size": 3 * hidden_size,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": HEAD_DIM,
        "query_pre_attn_scalar": HEAD_DIM,
        "sliding_window": SLIDING_WINDOW,
        "layer_types": [
            "sliding_attention",
            "sliding_attention",
            "full_attention",
            "sliding_attention",
        ],
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
        "vision_use_head": False,
    }
    config = Gemma3Config(
        text_config=text,
        vision_config=vision,
        mm_tokens_per_image=4,
        initializer_range=INITIALIZER_RANGE,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        boi_token_index=_id(tokenizer, "<start_of_image>"),
        eoi_token_index=_id(tokenizer, "<end_of_image>"),
        image_token_index=_id(tokenizer, "<image_soft_token>"),
    )
    model = Gemma3ForConditionalGeneration(config)
    for layer in model.model.language_model.layers:
        # The norms behind attention would blow up its near-constant untrained output, and text would repeat.
        torch.nn.init.constant_(layer.post_attention_layernorm.weight, GEMMA_ATTENTION_GAIN - 1)
        torch.nn.init.constant_(layer.post_feedforward_layernorm.weight, GEMMA_FEEDFORWARD_GAIN - 1)
    return model


def _qwen3_5_text(hidden_size: int, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Three gated-delta linear attention layers, then one with full attention."""
    return {
        **_common(tokenizer),
        "hidden_size": hidden_size,
        "intermediate_size": 2 * hidden_size,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 64,
        "linear_num_key_heads": 1,
        "linear_num_value_heads": 2,
        "linear_key_head_dim": 64,
        "linear_value_head_dim": 64,
        "rope_parameters": {
            **_rope(10_000_000.0),
            "partial_rotary_factor": 0.25,
            "mrope_interleaved": True,
            "mrope_section": [3, 3, 2],
        },
        "tie_word_embeddings": True,
    }


def make_qwen3_5_text(hidden_size: int, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    return Qwen3_5ForCausalLM(Qwen3_5TextConfig(**_qwen3_5_text(hidden_size, tokenizer)))


def make_qwen3_5(hidden_size: int, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """The multimodal configuration, with a vision tower of a few thousand parameters."""
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_heads": 2,
        "patch_size": 8,
        "out_hidden_size": hidden_size,
        "num_position_embeddings": 16,
        "initializer_range": INITIALIZER_RANGE,
    }
    config = Qwen3_5Config(
        text_config=_qwen3_5_text(hidden_size, tokenizer),
        vision_config=vision,
        image_token_id=_id(tokenizer, "<|image_pad|>"),
        video_token_id=_id(tokenizer, "<|video_pad|>"),
        vision_start_token_id=_id(tokenizer, "<|vision_start|>"),
        vision_end_token_id=_id(tokenizer, "<|vision_end|>"),
        tie_word_embeddings=True,
    )
    return Qwen3_5ForConditionalGeneration(config)


def _id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    token_id: int = tokenizer.convert_tokens_to_ids(token)
    return token_id


QWEN2_MATH = Family(
    make_model=make_qwen2,
    tokenizer=tokenization.QWEN2,
    max_length=4096,
    generation={"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05},
    stop_tokens=("<|endoftext|>",),
)
QWEN2_CODER = Family(
    make_model=make_qwen2,
    tokenizer=tokenization.QWEN2,
    max_length=32_768,
    generation={"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05},
    stop_tokens=("<|endoftext|>",),
)
DEEPSEEK_DISTILL = Family(
    make_model=make_qwen2,
    tokenizer=tokenization.DEEPSEEK,
    max_length=131_072,
    generation={"do_sample": True, "temperature": 0.6, "top_p": 0.95},
)
QWEN3 = Family(
    make_model=make_qwen3,
    tokenizer=tokenization.QWEN3,
    max_length=40_960,
    generation={"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20},
    stop_tokens=("<|endoftext|>",),
)
QWEN3_5 = Family(
    make_model=make_qwen3_5,
    tokenizer=tokenization.QWEN3_5,
    max_length=32_768,
    generation={"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20},
    stop_tokens=("<|endoftext|>",),
)
QWEN3_5_TEXT = Family(
    make_model=make_qwen3_5_text,
    tokenizer=tokenization.QWEN3_5,
    max_length=32_768,
    generation={"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20},
    stop_tokens=("<|endoftext|>",),
)
LLAMA3 = Family(
    make_model=make_llama,
    tokenizer=tokenization.LLAMA3,
    max_length=131_072,
    generation={"do_sample": True, "temperature": 0.6, "top_p": 0.9},
    stop_tokens=("<|end_of_text|>", "<|eom_id|>"),
)
GEMMA3 = Family(
    make_model=make_gemma3,
    tokenizer=tokenization.GEMMA3,
    max_length=131_072,
    generation={"do_sample": True, "top_k": 64, "top_p": 0.95},
    stop_tokens=("<end_of_turn>",),
)
MISTRAL = Family(make_model=make_mistral, tokenizer=tokenization.MISTRAL, max_length=32_768, generation={})

"""Small random models of every backbone, in the real architecture classes.

The toy release's agents, the tests' models and those of the benchmarks are all made here. A `make_` function
takes the hidden size and the tokens and gives an untrained model, initialised from PyTorch's current random
state, in its default dtype: the toy release's, of a few hundred thousand parameters, but for `changes` to its
(text) configuration. Source: docs/protocol.md, "Backbones".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from transformers import (
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
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

from recursivemas.zoo import tokenization
from recursivemas.zoo.tokenization import TokenizerFamily

INITIALIZER_RANGE = 0.12
"""About 1 / sqrt(hidden size), so that activations keep their size from layer to layer."""
HEAD_DIM = 32
SLIDING_WINDOW = 64
"""Of the Gemma3 toy: shorter than any real prompt, so that windows slide."""
GEMMA_ATTENTION_GAIN = 0.5
GEMMA_FEEDFORWARD_GAIN = 1.2


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What a model has to know of its tokenizer."""

    vocab_size: int
    max_length: int
    """How many positions the model is made for."""
    bos: int | None = None
    eos: int | None = None
    pad: int | None = None
    special: Mapping[str, int] = field(default_factory=dict)
    """Ids of the other special tokens, by their texts."""

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast) -> Tokens:
        return cls(
            vocab_size=len(tokenizer),
            max_length=tokenizer.model_max_length,
            bos=tokenizer.bos_token_id,
            eos=tokenizer.eos_token_id,
            pad=tokenizer.pad_token_id,
            special=tokenizer.get_added_vocab(),
        )


class MakeModel(Protocol):
    def __call__(self, hidden_size: int, tokens: Tokens, **changes: Any) -> PreTrainedModel: ...


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


def _common(tokens: Tokens) -> dict[str, Any]:
    return {
        "vocab_size": tokens.vocab_size,
        "max_position_embeddings": tokens.max_length,
        "initializer_range": INITIALIZER_RANGE,
        "bos_token_id": tokens.bos,
        "eos_token_id": tokens.eos,
        "pad_token_id": tokens.pad,
    }


def _rope(theta: float) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta}


def make_qwen2(hidden_size: int, tokens: Tokens, **changes: Any) -> PreTrainedModel:
    """`hidden_size` has to be a multiple of HEAD_DIM: this family has no head size of its own."""
    config = {
        **_common(tokens),
        "hidden_size": hidden_size,
        "intermediate_size": 3 * hidden_size,
        "num_hidden_layers": 3,
        "num_attention_heads": hidden_size // HEAD_DIM,
        "num_key_value_heads": 1,
        "rope_parameters": _rope(10_000.0),
        "tie_word_embeddings": False,
        **changes,
    }
    return Qwen2ForCausalLM(Qwen2Config(**config))


def make_qwen3(hidden_size: int, tokens: Tokens, **changes: Any) -> PreTrainedModel:
    config = {
        **_common(tokens),
        "hidden_size": hidden_size,
        "intermediate_size": 3 * hidden_size,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": HEAD_DIM,
        "rope_parameters": _rope(1_000_000.0),
        "tie_word_embeddings": True,
        **changes,
    }
    return Qwen3ForCausalLM(Qwen3Config(**config))


def make_llama(hidden_size: int, tokens: Tokens, **changes: Any) -> PreTrainedModel:
    config = {
        **_common(tokens),
        "hidden_size": hidden_size,
        "intermediate_size": 4 * hidden_size,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": HEAD_DIM,
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": tokens.max_length // 4,
        },
        "tie_word_embeddings": True,
        **changes,
    }
    return LlamaForCausalLM(LlamaConfig(**config))


def make_mistral(hidden_size: int, tokens: Tokens, **changes: Any) -> PreTrainedModel:
    config = {
        **_common(tokens),
        "hidden_size": hidden_size,
        "intermediate_size": 3 * hidden_size,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": HEAD_DIM,
        "sliding_window": 4096,
        "rope_parameters": _rope(10_000.0),
        "tie_word_embeddings": False,
        **changes,
    }
    return MistralForCausalLM(MistralConfig(**config))


def _gemma3_text(hidden_size: int, tokens: Tokens) -> dict[str, Any]:
    return {
        **_common(tokens),
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


def make_gemma3_text(hidden_size: int, tokens: Tokens, **changes: Any) -> PreTrainedModel:
    return Gemma3ForCausalLM(Gemma3TextConfig(**{**_gemma3_text(hidden_size, tokens), **changes}))


def make_gemma3(hidden_size: int, tokens: Tokens, **changes: Any) -> PreTrainedModel:
    """The multimodal configuration, as published, with a vision tower of a few thousand parameters."""
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
        text_config={**_gemma3_text(hidden_size, tokens), **changes},
        vision_config=vision,
        mm_tokens_per_image=4,
        initializer_range=INITIALIZER_RANGE,
        bos_token_id=tokens.bos,
        eos_token_id=tokens.eos,
        pad_token_id=tokens.pad,
        **_named(
            tokens,
            boi_token_index="<start_of_image>",
            eoi_token_index="<end_of_image>",
            image_token_index="<image_soft_token>",
        ),
    )
    model = Gemma3ForConditionalGeneration(config)
    for layer in model.model.language_model.layers:
        # The norms behind attention would blow up its near-constant untrained output, and text would repeat.
        torch.nn.init.constant_(layer.post_attention_layernorm.weight, GEMMA_ATTENTION_GAIN - 1)
        torch.nn.init.constant_(layer.post_feedforward_layernorm.weight, GEMMA_FEEDFORWARD_GAIN - 1)
    return model


def _qwen3_5_text(hidden_size: int, tokens: Tokens) -> dict[str, Any]:
    """Three gated-delta linear attention layers, then one with full attention."""
    return {
        **_common(tokens),
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


def make_qwen3_5_text(hidden_size: int, tokens: Tokens, **changes: Any) -> PreTrainedModel:
    return Qwen3_5ForCausalLM(Qwen3_5TextConfig(**{**_qwen3_5_text(hidden_size, tokens), **changes}))


def make_qwen3_5(hidden_size: int, tokens: Tokens, **changes: Any) -> PreTrainedModel:
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
        text_config={**_qwen3_5_text(hidden_size, tokens), **changes},
        vision_config=vision,
        **_named(
            tokens,
            image_token_id="<|image_pad|>",
            video_token_id="<|video_pad|>",
            vision_start_token_id="<|vision_start|>",
            vision_end_token_id="<|vision_end|>",
        ),
        tie_word_embeddings=True,
    )
    return Qwen3_5ForConditionalGeneration(config)


def _named(tokens: Tokens, **places: str) -> dict[str, int]:
    """The ids of special tokens under the names of a configuration; those that there are."""
    return {name: tokens.special[text] for name, text in places.items() if text in tokens.special}


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

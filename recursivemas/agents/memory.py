"""What a model takes of memory, told from its configuration before any weights are loaded.

Shapes: S positions of a row, H heads, D hidden size, I intermediate size, V vocabulary.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer, LinearAttentionLayer

from recursivemas.agents.checkpoint import Outline
from recursivemas.agents.computing import SPLIT, Placement

QUANTIZED_BYTES = {"bnb-4bit": 0.5 + 4 / 64, "bnb-8bit": 1.0}
"""Of a number in a linear layer: NF4 with a float32 scale for 64 of them, or LLM.int8()."""
HIDDEN_COPIES = 6
"""How many tensors of the hidden size a layer holds at once while it reads a prompt."""
INNER_COPIES = 3
"""The same of the intermediate size."""
LOGIT_BYTES = 40
"""What sampling from an entry of the vocabulary takes: the logits, sorted, their places, sums."""
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
MEMORY_INFO = Path("/proc/meminfo")


def held_dtype(config: PreTrainedConfig, dtype: torch.dtype | None) -> torch.dtype:
    """In which dtype a model is held: the one that is asked for, else the stored one."""
    return dtype or config.dtype or torch.float32


def weight_bytes(
    outline: Outline, *, dtype: torch.dtype | None, quantization: str | None, stored_bytes: int
) -> int:
    """What a model's weights and buffers take, as they are loaded.

    The model is built without data from its configuration. One of a repository's own code, and one that is
    stored quantized, takes as many bytes as its files, which are `stored_bytes`.
    """
    if outline.quantized or not type(outline.whole).__module__.startswith("transformers."):
        return stored_bytes
    held = held_dtype(outline.config, dtype)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(outline.whole, dtype=held)
    num_bytes = tensor_bytes(model)
    if quantization is not None:
        head = model.get_output_embeddings()
        linear = sum(
            module.weight.numel()
            for module in model.modules()
            if isinstance(module, nn.Linear) and module is not head
        )
        num_bytes -= int(linear * (held.itemsize - QUANTIZED_BYTES[quantization]))
    return num_bytes


def tensor_bytes(model: nn.Module) -> int:
    """What a model's weights and buffers take, those that are tied once."""
    return sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))


def cache_bytes(config: PreTrainedConfig, dtype: torch.dtype, positions: int) -> int | None:
    """What the cache of a row of `positions` takes, of a model with that text configuration.

    Full attention keeps keys and values of every position, a sliding window those of its last ones, linear
    attention a state of one size. None for kinds of layers, or names of sizes, that are not known.
    """
    num_heads = getattr(config, "num_attention_heads", None)
    if not num_heads:
        return None
    num_kept = getattr(config, "num_key_value_heads", None) or num_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // num_heads
    total = 0
    for layer in DynamicCache(config=config).layers:
        if type(layer) is DynamicSlidingWindowLayer:
            kept = min(positions, layer.sliding_window - 1)
        elif type(layer) is DynamicLayer:
            kept = positions
        elif type(layer) is LinearAttentionLayer and (state := _state_bytes(config, dtype)) is not None:
            total += state
            continue
        else:
            return None
        total += 2 * num_kept * head_dim * kept * dtype.itemsize
    return total


def _state_bytes(config: PreTrainedConfig, dtype: torch.dtype) -> int | None:
    """Of a gated delta rule's layer: the last inputs of its convolution, and what it remembers in float32."""
    names = ("num_key_heads", "key_head_dim", "num_value_heads", "value_head_dim", "conv_kernel_dim")
    sizes: list[Any] = [getattr(config, f"linear_{name}", None) for name in names]
    if None in sizes:
        return None
    key_heads, key_dim, value_heads, value_dim, kernel = sizes
    convolved = (2 * key_heads * key_dim + value_heads * value_dim) * kernel
    remembered = value_heads * key_dim * value_dim
    precise = torch.promote_types(dtype, torch.float32)
    return int(convolved * dtype.itemsize + remembered * precise.itemsize)


def work_bytes(config: PreTrainedConfig, dtype: torch.dtype, prompt: int, *, eager: bool) -> int:
    """What reading a prompt of that many positions, and sampling behind it, takes for a while: an estimate.

    Plain attention (`eager`) holds the scores of all heads, other kinds the mask alone.
    """
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    states = (HIDDEN_COPIES * config.hidden_size + INNER_COPIES * inner) * prompt * dtype.itemsize
    heads = getattr(config, "num_attention_heads", None) or 1
    scores = prompt**2 * (heads * (dtype.itemsize + 4) if eager else 1)
    return int(states + scores + LOGIT_BYTES * config.vocab_size)


def free_bytes(device: Placement) -> int | None:
    """How much memory is free on a device, on all GPUs together for `split`; None where nothing tells it."""
    if device == SPLIT or device.type == "cuda":
        which = range(torch.cuda.device_count()) if device == SPLIT else [device]
        # What PyTorch keeps for itself, and no tensor holds, is free to it.
        return sum(
            torch.cuda.mem_get_info(one)[0]
            + torch.cuda.memory_reserved(one)
            - torch.cuda.memory_allocated(one)
            for one in which
        )
    return _free_main_memory() if device.type == "cpu" else None


def _free_main_memory() -> int | None:
    """What the system can give without swapping, and no more than this process' group may have."""
    try:
        lines = dict(line.split(":") for line in MEMORY_INFO.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        try:
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, AttributeError):
            return None
    try:
        limit = CGROUP_LIMIT.read_text().strip()
    except OSError:
        return free
    return min(free, int(limit)) if limit.isdigit() else free

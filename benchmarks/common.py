"""What the benchmarks share: a random model of a real shape, and what they ran on."""

from __future__ import annotations

import argparse
import json
import platform
from typing import Any

import torch
import transformers

from recursivemas.engine import LocalEngine
from recursivemas.zoo.backbones import Tokens, make_qwen3

VOCAB_SIZE = 8192


def make_parser(description: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """A parser with a flag for each default (of its type; a tuple's are whole numbers with commas between),
    the dtype and the device."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=as_written)
    for name, default in defaults.items():
        kind = read_numbers if isinstance(default, tuple) else type(default)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    return parser


def read_numbers(text: str) -> tuple[int, ...]:
    """`16,32` -> (16, 32)."""
    return tuple(int(word) for word in text.split(","))


def random_qwen3(*, layers: int, hidden_size: int, dtype: str, device: str) -> LocalEngine:
    """A Qwen3-shaped model with random weights, from torch's global random numbers."""
    model = make_qwen3(
        hidden_size,
        Tokens(vocab_size=VOCAB_SIZE, max_length=32_768),
        num_hidden_layers=layers,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=hidden_size // 8,
        initializer_range=0.02,
        tie_word_embeddings=False,
    )
    return LocalEngine(model.to(device, getattr(torch, dtype)).eval())


def random_prompts(shortest: float, longest: int, count: int) -> list[tuple[int, ...]]:
    """Prompts of random tokens, their lengths spread evenly."""
    lengths = torch.linspace(shortest, longest, count).long().tolist()
    return [tuple(torch.randint(0, VOCAB_SIZE, (length,)).tolist()) for length in lengths]


def print_figures(figures: dict[str, Any]) -> None:
    """The last line: the figures as JSON, to four digits."""
    print(json.dumps(_rounded(figures)))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def describe_machine(device: str) -> str:
    """The device and the versions, for the last lines."""
    cpu = f"CPU, {torch.get_num_threads()} thread(s)"
    where = torch.cuda.get_device_name(device) if "cuda" in device else cpu
    return (
        f"{where}; torch {torch.__version__}, transformers {transformers.__version__}, "
        f"Python {platform.python_version()}"
    )

"""A latent step and a text step against what the memory allows: the bytes they read over its bandwidth.

    python benchmarks/roofline.py
    python benchmarks/roofline.py --static-cache on
    python benchmarks/roofline.py --shape qwen3-1.7b --dtype bfloat16 --device cuda --batch-sizes 16,32

At small batches a step is bound by reading: all weights once (not the input embedding, and for a latent step
not the head), and every row's cache. The bandwidth is measured here, the best of a large copy and a large
matrix times a vector. A step's seconds are those of many steps less those of few, over the difference, so
that reading the prompt does not count; text is sampled as recommended (temperature 0.6, top_p 0.95). Prints
measured time over bound first, for both kinds of step at each of --batch-sizes: 1 would be perfect. A JSON
line comes last; its `ratio` is the greatest of all.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import torch
from clocks import timed
from common import VOCAB_SIZE, describe_machine, make_parser, print_figures, random_prompts
from transformers import PreTrainedModel

from recursivemas.engine import LocalEngine, Prompt, SamplingSettings, WriteRequest, random_stream
from recursivemas.links import InnerLink
from recursivemas.settings import STATIC_CACHES
from recursivemas.zoo.backbones import MakeModel, Tokens, make_llama, make_qwen2, make_qwen3

SHAPES: dict[str, tuple[MakeModel, int, dict[str, Any]]] = {
    "small": (
        make_qwen3,
        512,
        {
            "vocab_size": VOCAB_SIZE,
            "num_hidden_layers": 8,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 64,
        },
    ),
    "tiny": (make_qwen3, 64, {"vocab_size": VOCAB_SIZE}),
    "qwen3-1.7b": (
        make_qwen3,
        2048,
        {
            "vocab_size": 151_936,
            "num_hidden_layers": 28,
            "intermediate_size": 6144,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 128,
        },
    ),
    "llama-3.2-1b": (
        make_llama,
        2048,
        {
            "vocab_size": 128_256,
            "num_hidden_layers": 16,
            "intermediate_size": 8192,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 64,
        },
    ),
    "qwen2.5-1.5b": (
        make_qwen2,
        1536,
        {
            "vocab_size": 151_936,
            "num_hidden_layers": 28,
            "intermediate_size": 8960,
            "num_attention_heads": 12,
            "num_key_value_heads": 2,
            "head_dim": 128,
            "tie_word_embeddings": True,
        },
    ),
}
"""By name: how such a model is made, its hidden size, and the rest of its configuration."""
FEW = 8
"""Steps that are taken off."""


def build(args: argparse.Namespace) -> tuple[LocalEngine, InnerLink]:
    """A model of the shape with random weights, made where it is to run."""
    torch.manual_seed(0)
    make, hidden_size, changes = SHAPES[args.shape]
    tokens = Tokens(vocab_size=changes["vocab_size"], max_length=32_768)
    dtype, before = getattr(torch, args.dtype), torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(args.device):
            model = make(hidden_size, tokens, **changes, initializer_range=0.02).eval()
            link = InnerLink(hidden_size).eval()
    finally:
        torch.set_default_dtype(before)
    torch.nn.init.constant_(link.post_ln.weight, 0.02)  # thoughts at the embeddings' scale
    return LocalEngine(model, args.static_cache), link


def bandwidth(device: str, megabytes: int) -> float:
    """Bytes a second that can be had of the memory: the best of copying, and of a matrix times a vector."""
    size = 1024 * (megabytes * 2**20 // 4096)
    source = torch.ones(size, device=device)
    target, vector = torch.empty_like(source), torch.ones(1024, device=device)

    def copy() -> None:
        target.copy_(source)

    def multiply() -> None:
        torch.mv(source.view(-1, 1024), vector)

    for action in (copy, multiply):
        action()
    copying, multiplying = (timed(action, device, repeats=7)[0].wall for action in (copy, multiply))
    return max(2 * size * 4 / copying, size * 4 / multiplying)


def bytes_read(model: PreTrainedModel, link: InnerLink, batch_size: int, positions: int) -> dict[str, float]:
    """Bytes that a step of each kind has to read: weights, and the cache of so many positions a row."""
    config = model.config
    size = model.dtype.itemsize
    head = model.get_output_embeddings().weight
    outside = {head.data_ptr(), model.get_input_embeddings().weight.data_ptr()}
    layers = sum(p.numel() * size for p in model.parameters() if p.data_ptr() not in outside)
    cache = (
        (2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * size)
        * batch_size
        * positions
    )
    thought = sum(p.numel() * p.dtype.itemsize for p in link.parameters())
    return {"latent": layers + thought + cache, "text": layers + head.numel() * size + cache, "cache": cache}


def step_seconds(run: Callable[[int], object], args: argparse.Namespace) -> float:
    """Seconds of a step: those of many steps less those of few."""
    run(2)  # warm up
    few, many = (
        timed(lambda n=n: run(n), args.device, args.repeats)[0].wall for n in (FEW, FEW + args.steps)
    )
    return (many - few) / args.steps


def write(engine: LocalEngine, prompts: list[Prompt], count: int) -> None:
    sampling = SamplingSettings().resolve(None)
    requests = [
        WriteRequest(row=row, stream=random_stream(0, str(row)), max_new_tokens=count)
        for row in range(len(prompts))
    ]
    for _ in engine.open(prompts).write(requests, sampling=sampling, stop_ids=()):
        pass


def measure(args: argparse.Namespace, engine: LocalEngine, link: InnerLink) -> Iterator[dict[str, Any]]:
    rate = bandwidth(args.device, args.megabytes)
    for batch_size in args.batch_sizes:
        prompts: list[Prompt] = [
            [ids] for ids in random_prompts(args.prompt_length, args.prompt_length, batch_size)
        ]
        positions = args.prompt_length + FEW + args.steps // 2
        needed = bytes_read(engine.model, link, batch_size, positions)
        for kind, run in (
            ("latent", lambda n, prompts=prompts: engine.open(prompts).think(link, n)),
            ("text", lambda n, prompts=prompts: write(engine, prompts, n)),
        ):
            seconds, bound = step_seconds(run, args), needed[kind] / rate
            print(
                f"ratio {seconds / bound:6.2f}   {kind:<6} step, batch {batch_size:<3} {1000 * seconds:8.3f} "
                f"ms, bound {1000 * bound:8.3f} ms: {needed[kind] / 1e6:.0f} MB, "
                f"{needed['cache'] / 1e6:.0f} of them cache, at {rate / 1e9:.1f} GB/s",
                flush=True,
            )
            yield {
                "step": kind,
                "batch_size": batch_size,
                "ratio": seconds / bound,
                "ms": 1000 * seconds,
                "bound_ms": 1000 * bound,
                "bytes": needed[kind],
                "bytes_per_second": rate,
            }


def main() -> None:
    parser = make_parser(__doc__, batch_sizes=(1, 8), prompt_length=400, steps=64, repeats=3, megabytes=512)
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--static-cache", choices=STATIC_CACHES, default="auto")
    args = parser.parse_args()
    with torch.no_grad():
        engine, link = build(args)
        cells = list(measure(args, engine, link))
    print(
        f"{args.shape}, {args.dtype}, steps {engine.steps}, prompts of {args.prompt_length}, "
        f"best of {args.repeats}; {describe_machine(args.device)}"
    )
    print_figures(
        {
            "ratio": max(cell["ratio"] for cell in cells),
            "shape": args.shape,
            "steps": engine.steps,
            "cells": cells,
        }
    )


if __name__ == "__main__":
    main()

"""Latent rollout with the cache against recomputing the whole sequence at every step, in one process.

    python benchmarks/rollout.py

Both sides run the same left-padded batch through the same random Qwen3-shaped model, for each of
--prompt-lengths (the longest prompt T; the others spread down to 0.6 of it) and --latent-lengths (L). A line
each: the ratio of the seconds first, then both sides, and how far the latents are apart. The slow side runs
once a prompt length, up to the largest L: what it takes for fewer steps is read on the way. A JSON line comes
last; its `ratio` is the least of those at the largest L.
"""

from __future__ import annotations

import argparse
from itertools import islice

import torch
from clocks import Seconds, Stopwatch, timed
from common import describe_machine, make_parser, print_figures, random_prompts, random_qwen3
from published_order import left_pad, roll_out
from torch import Tensor

from recursivemas.engine import LocalEngine, Prompt
from recursivemas.links import InnerLink


def build(args: argparse.Namespace) -> tuple[LocalEngine, InnerLink]:
    torch.manual_seed(args.seed)
    engine = random_qwen3(
        layers=args.layers, hidden_size=args.hidden_size, dtype=args.dtype, device=args.device
    )
    link = InnerLink(args.hidden_size).to(args.device, engine.dtype).eval()
    # Thoughts at the embeddings' scale.
    torch.nn.init.constant_(link.post_ln.weight, engine.model.config.initializer_range)
    return engine, link


def recompute(
    engine: LocalEngine, link: InnerLink, prompts: list[Prompt], lengths: tuple[int, ...]
) -> tuple[dict[int, Seconds], Tensor]:
    """The slow side: how long each of the lengths takes, and all thoughts [B, L, D]."""
    embed, thoughts, seconds = engine.model.get_input_embeddings(), [], {}
    watch = Stopwatch(str(engine.device))
    rows = [embed(torch.tensor(ids, device=engine.device)) for [ids] in prompts]
    for thought in islice(roll_out(engine.model, link, *left_pad(rows)), max(lengths)):
        thoughts.append(thought)
        if len(thoughts) in lengths:
            seconds[len(thoughts)] = watch.read()
    return seconds, torch.stack(thoughts, dim=1)


def compare(
    args: argparse.Namespace, engine: LocalEngine, link: InnerLink, prompt_length: int
) -> list[dict[str, float]]:
    """The figures of one prompt length, a record a latent length."""
    prompts = [[ids] for ids in random_prompts(0.6 * prompt_length, prompt_length, args.batch_size)]
    fast = {
        steps: timed(
            lambda steps=steps: engine.open(prompts).think(link, steps).latents, args.device, args.repeats
        )
        for steps in args.latent_lengths
    }
    slow, thoughts = recompute(engine, link, prompts, args.latent_lengths)
    cells = []
    for steps, (seconds, latents) in fast.items():
        expected = thoughts[:, :steps]
        cell = {
            "prompt_length": prompt_length,
            "latent_length": steps,
            "ratio": slow[steps].wall / seconds.wall,
            "cpu_ratio": slow[steps].cpu / seconds.cpu,
            "seconds": seconds.wall,
            "recomputed_seconds": slow[steps].wall,
            "difference": ((latents - expected).norm() / expected.norm()).item(),
        }
        print(
            f"ratio {cell['ratio']:6.1f} x   T <= {prompt_length:<4}  L {steps:<3}  cached "
            f"{seconds.wall:7.2f} s  recomputed {slow[steps].wall:8.2f} s  latents differ by "
            f"{cell['difference']:.0e} of their size",
            flush=True,
        )
        cells.append(cell)
    return cells


def main() -> None:
    parser = make_parser(
        __doc__,
        layers=8,
        hidden_size=512,
        prompt_lengths=(200, 400, 800),
        latent_lengths=(16, 32, 48, 64),
        batch_size=8,
        repeats=1,
        seed=0,
    )
    args = parser.parse_args()
    with torch.no_grad():
        engine, link = build(args)
        engine.open([[ids] for ids in random_prompts(8, 16, 2)]).think(link, 2)  # warm up: pools, kernels
        cells = [cell for length in args.prompt_lengths for cell in compare(args, engine, link, length)]
    print(
        f"batch {args.batch_size}, {args.layers} layers, hidden {args.hidden_size}, {args.dtype}; "
        f"{describe_machine(args.device)}"
    )
    longest = max(args.latent_lengths)
    ratio = min(cell["ratio"] for cell in cells if cell["latent_length"] == longest)
    print_figures({"ratio": ratio, "latent_length": longest, "cells": cells})


if __name__ == "__main__":
    main()

"""Latent rollout with the cache against recomputing the whole sequence at every step, in one process.

    python benchmarks/rollout.py

Both sides run the same left-padded batch through the same random Qwen3-shaped model. Prints the ratio first,
then the two times, how far the latents are apart, and what it ran on. Prompt lengths are spread around
--prompt-length, the longest being that.
"""

from __future__ import annotations

import argparse
import time

import torch
from common import describe_machine, make_parser, random_prompts, random_qwen3
from torch import Tensor
from transformers import PreTrainedModel

from recursivemas.engine import LocalEngine, Prompt
from recursivemas.links import InnerLink


def build(args: argparse.Namespace) -> tuple[LocalEngine, InnerLink, list[Prompt]]:
    torch.manual_seed(args.seed)
    engine = random_qwen3(
        layers=args.layers, hidden_size=args.hidden_size, dtype=args.dtype, device=args.device
    )
    link = InnerLink(args.hidden_size).to(args.device, engine.dtype).eval()
    # Thoughts at the embeddings' scale.
    torch.nn.init.constant_(link.post_ln.weight, engine.model.config.initializer_range)
    prompts = random_prompts(0.6 * args.prompt_length, args.prompt_length, args.batch_size)
    return engine, link, [[ids] for ids in prompts]


def recompute(model: PreTrainedModel, link: InnerLink, prompts: list[Prompt], latent_length: int) -> Tensor:
    """The slow side: the whole left-padded batch again at every step, as the published code does."""
    longest, device = max(len(ids) for [ids] in prompts), model.device
    ids = torch.tensor([[0] * (longest - len(ids)) + list(ids) for [ids] in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for [ids] in prompts], device=device)
    embeddings, thoughts = model.get_input_embeddings()(ids), []
    while True:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        outputs = model.model(
            inputs_embeds=embeddings, attention_mask=mask, position_ids=positions, use_cache=False
        )
        thoughts.append(link(outputs.last_hidden_state[:, -1]))
        if len(thoughts) == latent_length:
            return torch.stack(thoughts, dim=1)
        embeddings = torch.cat([embeddings, thoughts[-1].to(embeddings.dtype).unsqueeze(1)], dim=1)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)


def timed(args: argparse.Namespace, side: str, hidden) -> tuple[float, Tensor]:
    """Best of --repeats, after the device has caught up."""
    best, result = float("inf"), None
    for _ in range(args.repeats):
        synchronise(args.device)
        start = time.perf_counter()
        result = hidden()
        synchronise(args.device)
        best = min(best, time.perf_counter() - start)
    rate = args.batch_size * args.latent_length / best
    print(f"{side:<11} {best:8.2f} s  {rate:8.1f} latents/s", flush=True)
    return best, result


def synchronise(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = make_parser(
        __doc__,
        layers=8,
        hidden_size=512,
        prompt_length=400,
        latent_length=32,
        batch_size=8,
        repeats=1,
        seed=0,
    )
    args = parser.parse_args()
    with torch.no_grad():
        engine, link, prompts = build(args)
        engine.open(prompts).think(link, 2)  # warm up: thread pools, kernels
        steps = args.latent_length
        fast_s, fast = timed(args, "cached", lambda: engine.open(prompts).think(link, steps).latents)
        slow_s, slow = timed(args, "recomputed", lambda: recompute(engine.model, link, prompts, steps))
    difference = ((fast - slow).norm() / slow.norm()).item()
    print(f"ratio       {slow_s / fast_s:8.1f} x   relative difference of the latents {difference:.1e}")
    print(
        f"batch {args.batch_size}, T <= {args.prompt_length}, L {args.latent_length}, "
        f"{args.layers} layers, hidden {args.hidden_size}, {args.dtype}; {describe_machine(args.device)}"
    )


if __name__ == "__main__":
    main()

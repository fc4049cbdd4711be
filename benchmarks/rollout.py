"""Latent rollout with the cache against recomputing the whole sequence at every step, in one process.

    python benchmarks/rollout.py

Both sides run the same left-padded batch through the same random Qwen3-shaped model. Prints the ratio first,
then the two times, how far the latents are apart, and what it ran on. Prompt lengths are spread around
--prompt-length, the longest being that.
"""

from __future__ import annotations

import argparse
import platform
import time

import torch
import transformers
from torch import Tensor
from transformers import AutoModelForCausalLM, Qwen3Config

from recursivemas.engine import Backbone, PromptBatch, roll_out
from recursivemas.links import InnerLink


def build(args: argparse.Namespace) -> tuple[Backbone, InnerLink, PromptBatch]:
    torch.manual_seed(args.seed)
    config = Qwen3Config(
        vocab_size=8192,
        hidden_size=args.hidden_size,
        intermediate_size=3 * args.hidden_size,
        num_hidden_layers=args.layers,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=args.hidden_size // 8,
    )
    dtype = getattr(torch, args.dtype)
    model = AutoModelForCausalLM.from_config(config).to(args.device, dtype).eval()
    backbone = Backbone(model)
    link = InnerLink(args.hidden_size).to(args.device, dtype).eval()
    torch.nn.init.constant_(link.post_ln.weight, config.initializer_range)  # thoughts at embedding scale
    lengths = torch.linspace(0.6 * args.prompt_length, args.prompt_length, args.batch_size).long().tolist()
    prompts = [backbone.embed(torch.randint(0, config.vocab_size, (length,))) for length in lengths]
    return backbone, link, PromptBatch.left_pad(prompts)


def recompute(backbone: Backbone, link: InnerLink, prompts: PromptBatch, latent_length: int) -> Tensor:
    """The slow side: the whole batch again at every step, as the published code does."""
    embeddings, mask, hidden = prompts.embeddings, prompts.mask, []
    while True:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        hidden.append(backbone.hidden(embeddings, mask, positions, None))
        if len(hidden) == latent_length:
            return torch.stack(hidden, dim=1)
        embeddings = torch.cat([embeddings, link(hidden[-1]).to(embeddings.dtype).unsqueeze(1)], dim=1)
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
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    for name, default in {
        "layers": 8,
        "hidden-size": 512,
        "prompt-length": 400,
        "latent-length": 32,
        "batch-size": 8,
        "repeats": 1,
        "seed": 0,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    with torch.no_grad():
        backbone, link, prompts = build(args)
        roll_out(backbone, link, prompts, 2)  # warm up: thread pools, kernels
        steps = args.latent_length
        fast_s, fast = timed(args, "cached", lambda: roll_out(backbone, link, prompts, steps).hidden)
        slow_s, slow = timed(args, "recomputed", lambda: recompute(backbone, link, prompts, steps))
    difference = ((fast - slow).norm() / slow.norm()).item()
    print(f"ratio       {slow_s / fast_s:8.1f} x   relative difference of the latents {difference:.1e}")
    cpu = f"CPU, {torch.get_num_threads()} thread(s)"
    where = torch.cuda.get_device_name(args.device) if "cuda" in args.device else cpu
    print(
        f"batch {args.batch_size}, T <= {args.prompt_length}, L {args.latent_length}, "
        f"{args.layers} layers, hidden {args.hidden_size}, {args.dtype}; "
        f"{where}; torch {torch.__version__}, transformers {transformers.__version__}, "
        f"Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()

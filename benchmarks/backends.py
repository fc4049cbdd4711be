"""Our engine against vLLM on the same work: thinking, then writing, on the same random Qwen3-shaped model.

    python benchmarks/backends.py                 # in vLLM's environment: .venv-vllm/bin/python on CPUs

Each side has a process of its own, so that its start and its peak of memory are its own; each does the work
once before it is timed, at the best of --repeats. Prints the ratios first, on the clock and in CPU seconds,
then latents and tokens a second, and whether greedy texts are the same; a JSON line comes last, whose `ratio`
is the lesser of the two on the clock. Prompts have up to --prompt-length tokens.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from clocks import Seconds, timed
from common import describe_machine, make_parser, print_figures, random_prompts, random_qwen3
from torch import Tensor
from transformers import AutoModelForCausalLM

from recursivemas.engine import Engine, LocalEngine, SamplingSettings, WriteRequest, random_stream
from recursivemas.engine.vllm import Model, split_memory, start_engine, vllm_version
from recursivemas.links import InnerLink

GREEDY = SamplingSettings(greedy=True).resolve(None)


@dataclass(frozen=True)
class Side:
    """What one engine has done, and what it took."""

    start: Seconds
    think: Seconds
    write: Seconds
    peak_bytes: int
    latents: Tensor
    texts: list[tuple[int, ...]]


@dataclass(frozen=True)
class Ratio:
    """How many times faster one is than another."""

    wall: float
    cpu: float

    @classmethod
    def of(cls, slow: Seconds, fast: Seconds) -> Ratio:
        return cls(slow.wall / fast.wall, slow.cpu / fast.cpu)

    def __str__(self) -> str:
        return f"{self.wall:.2f} times (in CPU seconds {self.cpu:.2f})"


def measure(name: str, folder: str, args: argparse.Namespace) -> Side:
    """The work on the model in that folder."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # its memory is then this process's
    torch.manual_seed(args.seed)
    prompts = [[ids] for ids in random_prompts(0.6 * args.prompt_length, args.prompt_length, args.batch_size)]
    make = start_ours if name == "ours" else start_vllm
    start, engine = timed(lambda: make(folder, args), "cpu")
    torch.manual_seed(args.seed)  # loading may have drawn from it
    link = InnerLink(args.hidden_size).to(engine.device, engine.dtype).eval()
    torch.nn.init.constant_(link.post_ln.weight, 0.02)  # thoughts at the embeddings' scale
    with torch.no_grad():
        engine.open(prompts).think(link, 2)
        write(engine, prompts, 2)
        think, latents = timed(
            lambda: engine.open(prompts).think(link, args.latent_length).latents.cpu(),
            args.device,
            args.repeats,
        )
        writing, texts = timed(lambda: write(engine, prompts, args.new_tokens), args.device, args.repeats)
    return Side(start, think, writing, peak_bytes(args.device), latents, texts)


def start_ours(folder: str, args: argparse.Namespace) -> Engine:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, args.dtype))
    return LocalEngine(model.to(args.device).eval().requires_grad_(False))


def start_vllm(folder: str, args: argparse.Namespace) -> Engine:
    config = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, args.dtype)).config
    weights = sum(path.stat().st_size for path in Path(folder).glob("*.safetensors"))
    device = torch.device(args.device)
    total = torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else args.memory_mb << 20
    model = Model(
        folder=Path(folder),
        name="the random model",
        config=config,
        is_multimodal=False,
        generation=None,
        dtype=getattr(torch, args.dtype),
        device=device,
        trust_remote_code=False,
    )
    return start_engine(model, split_memory({"model": weights}, total, 0.9)["model"], 1)


def write(engine: Engine, prompts: list[list[tuple[int, ...]]], count: int) -> list[tuple[int, ...]]:
    """Greedy texts of that many tokens."""
    requests = [
        WriteRequest(row=row, stream=random_stream(0, str(row)), max_new_tokens=count)
        for row in range(len(prompts))
    ]
    written = dict(engine.open(prompts).write(requests, sampling=GREEDY, stop_ids=()))
    return [written[row].token_ids for row in range(len(prompts))]


def peak_bytes(device: str) -> int:
    if torch.device(device).type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return total - free
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = make_parser(
        __doc__,
        layers=4,
        hidden_size=256,
        prompt_length=200,
        latent_length=16,
        new_tokens=32,
        batch_size=16,
        memory_mb=1024,
        repeats=3,
        seed=0,
    )
    args = parser.parse_args()
    sides = {}
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(args.seed)
        shape = {"layers": args.layers, "hidden_size": args.hidden_size, "dtype": args.dtype, "device": "cpu"}
        random_qwen3(**shape).model.save_pretrained(folder)
        for name in ("ours", "vllm"):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                sides[name] = pool.apply(measure, (name, folder, args))
    ours, theirs = sides["ours"], sides["vllm"]
    thinking, writing = Ratio.of(ours.think, theirs.think), Ratio.of(ours.write, theirs.write)
    print(f"vLLM thinks {thinking} and writes {writing} as fast")
    for name, side in sides.items():
        print(
            f"{name:<5} {args.batch_size * args.latent_length / side.think.wall:9.1f} latents/s  "
            f"{sum(map(len, side.texts)) / side.write.wall:9.1f} tokens/s  start {side.start.wall:6.1f} s  "
            f"peak {side.peak_bytes / 1e9:.2f} GB"
        )
    apart = (ours.latents - theirs.latents).abs().max().item()
    same = sum(one == other for one, other in zip(ours.texts, theirs.texts, strict=True))
    print(f"latents differ by {apart:.1e} at most; {same} of {len(ours.texts)} texts are the same")
    print(
        f"batch {args.batch_size}, T <= {args.prompt_length}, L {args.latent_length}, "
        f"{args.new_tokens} tokens, {args.layers} layers, hidden {args.hidden_size}, "
        f"{args.dtype}; vLLM {vllm_version()}, {describe_machine(args.device)}"
    )
    print_figures(
        {
            "ratio": min(thinking.wall, writing.wall),
            "thinking": asdict(thinking),
            "writing": asdict(writing),
            "difference": apart,
            "same_texts": same,
            **{
                name: {"start_s": side.start.wall, "peak_bytes": side.peak_bytes}
                for name, side in sides.items()
            },
        }
    )


if __name__ == "__main__":
    main()

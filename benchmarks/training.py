"""Training batched against one row at a time, and what it keeps with layers computed again.

    python benchmarks/training.py [--rows 16] [--hidden-size 64] [--layers 3] [--device cuda]

Steps of outer links over two Qwen3-shaped agents with random weights, in a style of an expert and a learner,
as the commands take them: first batched and padded, then the same rows one at a time, accumulated to the same
step. Losses have to agree. What is kept are the bytes that one step's forward passes save for the way back,
with all layers kept and with layers computed again (`gradient_checkpointing`), and on a GPU its peak memory;
then the same for a step of the expert's inner link, which is computed again itself.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from common import describe_machine, make_parser, random_qwen3

from recursivemas import MASSystem
from recursivemas.agents.agent import Agent
from recursivemas.links import InnerLink, OuterLink
from recursivemas.prompts import load_prompts
from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.training import InnerSettings, OuterSettings, as_training_rows, train_inner, train_outer
from recursivemas.zoo import ensure

STYLE = PUBLISHED_STYLES["distillation"]
MIB = 2**20
Learning = Callable[..., list[float]]
"""Takes so many steps under settings; their losses."""


def main() -> None:
    parser = make_parser(__doc__, rows=16, hidden_size=64, layers=3, rounds=2, steps=2, words=40, seed=0)
    arguments = parser.parse_args()
    print_speed(arguments)
    print_memory("outer links", arguments, learn)
    print_memory("an inner link", arguments, learn_inner)
    print(describe_machine(arguments.device))


def make_system(arguments: argparse.Namespace) -> MASSystem:
    """Two agents with random weights and the toy's tokenizers."""
    from transformers import AutoTokenizer

    torch.manual_seed(arguments.seed)
    folder = ensure() / "RecursiveMAS" / "Sequential-Light-Solver-Qwen2.5-Math-1.5B"
    shape = {name: getattr(arguments, name) for name in ("layers", "hidden_size", "dtype", "device")}
    agents = {
        role: Agent(
            role=role,
            engine=random_qwen3(**shape),
            tokenizer=AutoTokenizer.from_pretrained(folder),
            inner_link=InnerLink(arguments.hidden_size).requires_grad_(False).to(arguments.device),
            repo_id=f"random/{role}",
        )
        for role in STYLE.roles
    }
    for agent in agents.values():
        agent.model.requires_grad_(False)
    size = arguments.hidden_size
    return MASSystem(
        style=STYLE,
        dataset="math500",
        agents=agents,
        outer_links={(link.source, link.target): OuterLink(size, size) for link in STYLE.links},
        prompts=load_prompts("default", release="toy-random", style_prompts={}),
        paths=None,
    )


def make_rows(arguments: argparse.Namespace) -> list[dict[str, str]]:
    """Texts of different lengths."""
    return [
        {
            "question": " ".join(f"What is {number} + {term}?" for term in range(1 + number % 4)),
            "refined_plan": " ".join(["add"] * (arguments.words - number)),
            "answer": " ".join(["sum"] * (arguments.words // 2 + number)),
        }
        for number in range(arguments.rows)
    ]


def learn(arguments: argparse.Namespace, steps: int, **settings: Any) -> list[float]:
    """The losses of so many steps."""
    rows = as_training_rows(STYLE, make_rows(arguments))
    chosen = OuterSettings(
        num_recursive_rounds=arguments.rounds, max_steps=steps, save_steps=0, warmup_steps=0, **settings
    )
    return train_outer(make_system(arguments), rows, chosen).losses


def learn_inner(arguments: argparse.Namespace, steps: int, **settings: Any) -> list[float]:
    """The same for the expert's inner link."""
    rows = as_training_rows(STYLE, make_rows(arguments))
    chosen = InnerSettings(max_steps=steps, save_steps=0, warmup_steps=0, **settings)
    return train_inner(make_system(arguments), "expert", rows, chosen).losses


def print_speed(arguments: argparse.Namespace) -> None:
    found = {}
    learn(arguments, 1, batch_size=arguments.rows)  # warm up
    for size in (arguments.rows, 1):
        begun = time.perf_counter()
        accumulated = {"batch_size": size, "gradient_accumulation_steps": arguments.rows // size}
        losses = learn(arguments, arguments.steps, **accumulated)
        found[size] = losses, (time.perf_counter() - begun) / arguments.steps
    (batched, fast), (single, slow) = found[arguments.rows], found[1]
    difference = max(abs(one - other) / other for one, other in zip(batched, single, strict=True))
    print(
        f"batched is {slow / fast:.1f} times as fast as one row at a time: {fast:.2f} s a step of "
        f"{arguments.rows} rows against {slow:.2f} s; losses differ by {difference:.0e}"
    )


def print_memory(what: str, arguments: argparse.Namespace, learning: Learning) -> None:
    kept, again = (measure_memory(arguments, learning, computed_again=again) for again in (False, True))
    for name in kept:
        print(
            f"{what}, {name}: {kept[name] / MIB:.1f} MiB, {again[name] / MIB:.1f} MiB with "
            f"gradient_checkpointing ({kept[name] / again[name]:.1f} times less)"
        )


def measure_memory(
    arguments: argparse.Namespace, learning: Learning, *, computed_again: bool
) -> dict[str, float]:
    """Bytes of one step: those that are saved for the way back, and the peak on a GPU."""
    saved: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    on_gpu = "cuda" in arguments.device
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        learning(arguments, 1, batch_size=arguments.rows, gradient_checkpointing=computed_again)
    peak = {"peak on the GPU": torch.cuda.max_memory_allocated()} if on_gpu else {}
    return {"saved for the way back": sum(saved.values()), **peak}


if __name__ == "__main__":
    main()

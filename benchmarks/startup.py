"""How long commands take to begin: --version, --help, listings, and a first question of the toy.

    python benchmarks/startup.py

Each is a process of its own, the best of --runs, in turns with its floor: a bare Python for what needs no
model, and for the first question a Python that imports torch and what transformers has of a causal language
model. Prints the ratio to the floor first. The first question loads three agents, solves and grades it, and
writes a run folder. A JSON line comes last; its `ratio` is the first question's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import describe_machine, make_parser, print_figures

DATASET = Path(__file__).parents[1] / "dataset" / "toy_heldout.jsonl"
COMMAND = [sys.executable, "-m", "recursivemas"]
LIGHT = {"version": ["--version"], "help": ["--help"], "run_help": ["run", "--help"], "styles": ["styles"]}
FIRST = "first_question"
BARE = [sys.executable, "-c", "pass"]
LIBRARIES = [
    *(sys.executable, "-c"),
    "import torch; from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel",
]


def seconds(command: Sequence[str], folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(DATASET.parents[1])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.perf_counter() - start


def first_question(folder: Path) -> list[str]:
    return [
        *(*COMMAND, "run", "--style", "sequential_light", "--release", "toy", "--device", "cpu", "--greedy"),
        *("--dataset", str(DATASET), "--num_samples", "1", "--output_dir", str(folder / "run")),
    ]


def measure(name: str, runs: int) -> dict[str, Any]:
    """The best of so many runs, and of its floor."""
    ours, floors = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            command = first_question(Path(folder)) if name == FIRST else [*COMMAND, *LIGHT[name]]
            ours.append(seconds(command, Path(folder)))
            floors.append(seconds(LIBRARIES if name == FIRST else BARE, Path(folder)))
    best, floor = min(ours), min(floors)
    what = "importing torch and transformers" if name == FIRST else "bare Python"
    print(f"ratio {best / floor:5.2f} x   {name:<15} {best:6.2f} s  {what} {floor:6.2f} s", flush=True)
    return {"name": name, "ratio": best / floor, "seconds": best, "floor_seconds": floor}


def main() -> None:
    parser = make_parser(__doc__, runs=5)
    parser.add_argument("--only", choices=[*LIGHT, FIRST], help="one of them")
    args = parser.parse_args()
    names = [args.only] if args.only else [*LIGHT, FIRST]
    cells = [measure(name, args.runs) for name in names]
    print(f"best of {args.runs}; {describe_machine('cpu')}")
    print_figures({"ratio": cells[-1]["ratio"], "cells": cells})


if __name__ == "__main__":
    main()

"""What a run of 10,000 long answers keeps in memory: python benchmarks/record_memory.py

Answers of 4,000 tokens are made up and recorded as a run records them, without a model; then the run is
summed up, read for a report, and one question of it shown. Beside it stands the memory that the same takes
when the samples are kept. (10,000 samples: 19 MB, kept 1,896 MB; Python 3.11, Linux.)
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import platform
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.report.show import show
from recursivemas.runs.files import iterate_samples
from recursivemas.runs.folder import RunFolder
from recursivemas.runs.metrics import summarise
from recursivemas.runs.read import read_run
from recursivemas.settings import resolve_settings

ROLES = ("planner", "critic", "solver")
BATCH = 16


def make_sample(number: int, num_tokens: int, draw: random.Random) -> dict[str, Any]:
    """A sample as a run leaves it."""
    ids = [draw.randrange(1000, 150_000) for _ in range(num_tokens)]
    usage = {"prompt_tokens": 300, "latents_read": 32, "latent_steps": 32, "generated_tokens": num_tokens}
    verdict = {"correct": number % 2 == 0, "extracted": "1", "how": "equal", "score": None, "error": None}
    return {
        "id": f"question/{number}",
        "rollout": 0,
        "seed": 42,
        "question": "What is it? " * 20,
        "gold": "1",
        "text": "".join(f"word{id_ % 1000} " for id_ in ids),
        "extracted": "1",
        "verdicts": {"release": verdict, "strict": dict(verdict)},
        "ended_by": "stop",
        "retried": False,
        "past_context": False,
        "error": None,
        "token_ids": ids,
        "tool_calls": [],
        "messages": {},
        "passages": {},
        "usage": [
            {"round": number_of_round, "role": role, "result_tokens": 0, "seconds": 0.5, **usage}
            for number_of_round in (1, 2, 3)
            for role in ROLES
        ],
    }


def config_of(num_samples: int) -> dict[str, Any]:
    settings, origins = resolve_settings({"release": "toy-random"})
    return {
        "settings": {
            name: {"value": value, "origin": origins[name]} for name, value in settings.values().items()
        },
        "style": {"name": settings.model.style, "agents": [{"role": role} for role in ROLES]},
        "agents": {},
        "questions": {"number": num_samples},
        "platform": "",
        "accelerator": None,
    }


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def record(folder: Path, num_samples: int, num_tokens: int, kept: list[Any] | None) -> None:
    """Record the run, batch by batch; where `kept` is given, keep what was recorded as well."""
    draw = random.Random(0)
    with RunFolder.create(folder, config_of(num_samples)) as run:
        for start in range(0, num_samples, BATCH):
            numbers = range(start, min(start + BATCH, num_samples))
            samples = [make_sample(number, num_tokens, draw) for number in numbers]
            run.append(samples)
            if kept is not None:
                kept += samples
        rows = (sample for sample, _ in iterate_samples(folder))
        run.finish(summarise(rows, BENCHMARKS["math500"], 1.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--tokens", type=int, default=4000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "run"
        before, start = peak_mb(), time.perf_counter()
        record(folder, arguments.samples, arguments.tokens, None)
        recorded, seconds = peak_mb() - before, time.perf_counter() - start
        read_run(folder)
        with contextlib.redirect_stdout(io.StringIO()):
            show(folder, f"question/{arguments.samples - 1}")
        read = peak_mb() - before
        size = (folder / "samples.jsonl").stat().st_size / 2**20
        kept: list[Any] = []
        record(Path(parent) / "kept", arguments.samples, arguments.tokens, kept)
        print(
            json.dumps(
                {
                    "samples": arguments.samples,
                    "tokens each": arguments.tokens,
                    "samples.jsonl MB": round(size),
                    "peak above start, recording and summing up, MB": round(recorded, 1),
                    "peak above start, reading for a report and showing too, MB": round(read, 1),
                    "peak above start, when samples are kept, MB": round(peak_mb() - before, 1),
                    "seconds": round(seconds, 1),
                    "python": platform.python_version(),
                },
                indent=2,
            )
        )


if __name__ == "__main__":
    main()

"""All that needs a GPU, in one command: its tests, and the benchmarks against the bounds they have to keep.

    make gpu-check

Writes a report with every command, its output, and whether it kept its bound. Ends with status 0 where all
did, 1 where something failed or missed its bound, 2 where there is no CUDA device and nothing was measured.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).parents[1]
ROOFLINE = (
    *("benchmarks/roofline.py", "--device", "cuda", "--dtype", "bfloat16", "--batch-sizes", "16,32"),
    *("--prompt-length", "700", "--megabytes", "2048"),
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """A command for this Python, and what the `ratio` of its last line has to keep, if it has one."""

    command: Sequence[str]
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a check."""

    check: Check
    output: str
    problem: str
    """Empty where it passed."""


CHECKS = (
    Check(command=["-m", "pytest", "-p", "no:cacheprovider", "tests/gpu"]),
    *(
        Check(command=[*ROOFLINE, "--shape", shape], at_most=2.5)
        for shape in ("qwen3-1.7b", "llama-3.2-1b", "qwen2.5-1.5b")
    ),
    Check(command=["benchmarks/rollout.py", "--device", "cuda", "--hidden-size", "2048"]),
    Check(command=["benchmarks/decode.py", "--device", "cuda", "--hidden-size", "2048"]),
    Check(
        command=["benchmarks/system.py", "--device", "cuda", "--hidden-size", "1024", "--layers", "16"],
        at_least=10,
    ),
)


def run_check(check: Check) -> Outcome:
    """Run it, and show its output as it comes."""
    print(f"\n$ python {' '.join(check.command)}", flush=True)
    lines = []
    with subprocess.Popen(
        [sys.executable, *check.command], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    return Outcome(check, "".join(lines), find_problem(check, process.returncode, lines))


def find_problem(check: Check, status: int, lines: Sequence[str]) -> str:
    """Why a command with that status and output does not pass; empty where it does."""
    if status != 0:
        return f"ended with status {status}"
    if check.at_most is None and check.at_least is None:
        return ""
    ratio = json.loads(lines[-1])["ratio"]
    if ratio <= 0:  # a difference of two times
        return f"ratio {ratio} measures nothing: other work was in the way"
    if check.at_most is not None and ratio > check.at_most:
        return f"ratio {ratio} is over {check.at_most}"
    if check.at_least is not None and ratio < check.at_least:
        return f"ratio {ratio} is under {check.at_least}"
    return ""


def write_report(path: Path, outcomes: Sequence[Outcome], device: str) -> None:
    """A page in Markdown: the machine, a line a check, then what each printed."""
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    lines = [
        "# What was measured on a GPU",
        "",
        f"{device}; {versions}, Python {platform.python_version()}, {platform.platform()}",
        "",
        "| command | |",
        "|---|---|",
        *(
            f"| `python {' '.join(outcome.check.command)}` | {outcome.problem or 'passed'} |"
            for outcome in outcomes
        ),
        "",
    ]
    for outcome in outcomes:
        lines += [f"## {' '.join(outcome.check.command)}", "", "```text", outcome.output.rstrip(), "```", ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--report", type=Path, default=ROOT / "runs" / "gpu-check.md")
    args = parser.parse_args(argv)
    if not torch.cuda.is_available():
        print("gpu-check: there is no CUDA device here, so nothing was tested or measured (status 2)")
        return 2
    outcomes = [run_check(check) for check in CHECKS]
    write_report(args.report, outcomes, torch.cuda.get_device_name())
    failed = [outcome for outcome in outcomes if outcome.problem]
    for outcome in failed:
        print(f"python {' '.join(outcome.check.command)}: {outcome.problem}")
    print(f"gpu-check: {len(outcomes) - len(failed)} of {len(outcomes)} passed; {args.report}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

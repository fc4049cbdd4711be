"""A whole system against its slow twin in the published order of work, or against another checkout of ours.

    python benchmarks/system.py
    python benchmarks/system.py --styles all --hidden-size 128 --layers 4 --questions 4 --shortest 60 \
        --longest 120 --max-new-tokens 16 --rounds 1,2,3,4 --latent-lengths 0,16,32,48,64
    python benchmarks/system.py --against PATH

The agents have the real architectures, random weights and the toy's tokenizers; questions are made up, of
--shortest to --longest tokens (of MedQA's length unless told otherwise), and answered greedily. The slow twin
(published_order.py) recomputes every latent step, loads a model for every stage and goes batch by batch. Both
sides have to write the same tokens; how many different texts there are says what that is worth. A line each
for the --styles, --rounds and --latent-lengths: the ratio of the seconds, loading included, first. Where
there are three or more rounds or lengths, a line says how well the seconds (on a CPU, CPU seconds) lie on a
straight line (R squared; the worst). Length 0 runs nothing but the answer, and is left out of it.

With --against, the other side is the same library in another checkout (a git worktree of another commit),
each in a process of its own, in turns, the best of --repeats; models are loaded and warm by then.

A JSON line comes last; its `ratio` is the least of all.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from clocks import Seconds, timed
from common import describe_machine, make_parser, print_figures
from published_order import PublishedOrder
from random_release import write_random_release
from transformers import AutoTokenizer

from recursivemas import Question, load_mas_system
from recursivemas.prompts import load_prompts
from recursivemas.release.resolve import resolve_release
from recursivemas.styles import HUB_ORGANISATION, PUBLISHED_STYLES, Style
from recursivemas.zoo import ensure
from recursivemas.zoo.corpus import generate_corpus

TASK = "math"
Ids = list[tuple[int, ...]]
Side = tuple[Seconds, Ids]
Cell = dict[str, Any]


def make_questions(style: Style, count: int, shortest: int, longest: int) -> list[Question]:
    """Choice questions whose texts have so many tokens of the style's first agent, spread evenly."""
    tokenizer = AutoTokenizer.from_pretrained(ensure() / HUB_ORGANISATION / style.agents[0].repo)
    questions = []
    for number, length in enumerate(torch.linspace(shortest, longest, count).long().tolist()):
        story = " ".join(passage.strip() for passage in generate_corpus(number, num_passages=80))
        options = "\nA. apples\nB. books\nC. marbles\nD. stamps"
        ids = tokenizer(story, add_special_tokens=False).input_ids[:length]
        questions.append(Question(id=str(number), text=tokenizer.decode(ids) + options, kind="choice"))
    return questions


def settings_of(args: argparse.Namespace, rounds: int, latent_length: int) -> dict[str, Any]:
    """Keywords of `solve`."""
    return {
        "num_rounds": rounds,
        "latent_length": latent_length,
        "max_new_tokens": args.max_new_tokens,
        "batch_size": args.batch_size,
        "greedy": True,
        "repetition_penalty": 1.0,
        "max_tool_calls": 0,
    }


# ---------------------------------------------------------------------------------------------------------
# Against the slow twin


def solve_fast(
    args: argparse.Namespace, release: Path, style: Style, questions: Sequence[Question], **settings: Any
) -> Ids:
    loading = {"release": release, "device": args.device, "dtype": args.dtype, "prompts": "default"}
    with load_mas_system(style, **loading) as system:
        return [solution.token_ids for solution in system.solve(questions, **settings)]


def solve_slowly(
    args: argparse.Namespace,
    release: Path,
    style: Style,
    questions: Sequence[Question],
    rounds: int,
    latent_length: int,
) -> Ids:
    twin = PublishedOrder(
        style=style,
        files=resolve_release(style, TASK, release=release),
        prompts=load_prompts("default", release=release, style_prompts=style.prompts),
        num_rounds=rounds,
        latent_length=latent_length,
        max_new_tokens=args.max_new_tokens,
        dtype=getattr(torch, args.dtype),
        device=args.device,
    )
    return twin.solve(questions, args.batch_size)


def compare_with_twin(
    args: argparse.Namespace, release: Path, style: Style, questions: Sequence[Question]
) -> Iterator[Cell]:
    for rounds in args.rounds:
        for length in args.latent_lengths:
            settings = settings_of(args, rounds, length)
            fast = timed(
                lambda settings=settings: solve_fast(args, release, style, questions, **settings),
                args.device,
                args.repeats,
            )
            slow = timed(
                lambda rounds=rounds, length=length: solve_slowly(
                    args, release, style, questions, rounds, length
                ),
                args.device,
            )
            cell = report(style, rounds, length, fast, slow, "published order")
            if cell["same_texts"] < len(questions):
                raise SystemExit("the texts of the two sides differ: nothing was compared")
            yield cell


def report(style: Style, rounds: int, length: int, fast: Side, slow: Side, other: str) -> Cell:
    (ours, our_ids), (theirs, their_ids) = fast, slow
    cell = {
        "style": style.name,
        "rounds": rounds,
        "latent_length": length,
        "ratio": theirs.wall / ours.wall,
        "cpu_ratio": theirs.cpu / ours.cpu,
        "seconds": ours.wall,
        "cpu_seconds": ours.cpu,
        "other_seconds": theirs.wall,
        "other_cpu_seconds": theirs.cpu,
        "same_texts": sum(one == other for one, other in zip(our_ids, their_ids, strict=True)),
        "different_texts": len(set(our_ids)),
    }
    print(
        f"ratio {cell['ratio']:6.2f} x   {style.name}  rounds {rounds}  L {length:<3} {ours.wall:.2f} s, "
        f"{other} {theirs.wall:.2f} s  (CPU {cell['cpu_ratio']:.2f} x, {ours.cpu:.2f} and {theirs.cpu:.2f}); "
        f"{cell['same_texts']} of {len(our_ids)} texts the same, {cell['different_texts']} different ones",
        flush=True,
    )
    return cell


def print_fits(cells: Sequence[Cell], clock: str) -> dict[str, float]:
    """How well seconds lie on a line in rounds, and in latent steps: the least R squared of all styles.

    On a CPU in CPU seconds, which other processes hardly disturb.
    """
    thinking = [cell for cell in cells if cell["latent_length"]]
    fits = {}
    for along, fixed in (("rounds", "latent_length"), ("latent_length", "rounds")):
        lines: dict[tuple[str, int], list[Cell]] = {}
        for cell in thinking:
            lines.setdefault((cell["style"], cell[fixed]), []).append(cell)
        for side in ("ours", "slow"):
            seconds = {"ours": "", "slow": "other_"}[side] + clock
            found = [
                statistics.correlation([cell[along] for cell in line], [cell[seconds] for cell in line]) ** 2
                for line in lines.values()
                if len(line) >= 3
            ]
            if found:
                name = f"{side}_linear_in_{along}"
                fits[name] = min(found)
                print(f"{name}: R squared {min(found):.4f} at the worst of {len(found)} lines")
    return fits


# ---------------------------------------------------------------------------------------------------------
# Against another checkout


def compare_with_checkout(
    args: argparse.Namespace, release: Path, style: Style, questions: Sequence[Question]
) -> Iterator[Cell]:
    for rounds in args.rounds:
        for length in args.latent_lengths:
            job = {
                "style": style.name,
                "release": str(release),
                "device": args.device,
                "dtype": args.dtype,
                "settings": settings_of(args, rounds, length),
                "questions": [
                    {"id": question.id, "text": question.text, "kind": question.kind}
                    for question in questions
                ],
            }
            path = release / "job.json"
            path.write_text(json.dumps(job))
            here = Path(__file__).parents[1]
            turns = [
                [solve_in_checkout(checkout, path) for checkout in (here, Path(args.against))]
                for _ in range(args.repeats)
            ]
            fast, slow = (min((turn[side] for turn in turns), key=lambda one: one[0].wall) for side in (0, 1))
            yield report(style, rounds, length, fast, slow, "the other")


def solve_in_checkout(checkout: Path, job: Path) -> Side:
    """What a process gives that imports the library from there."""
    script = Path(__file__).with_name("solve_once.py")
    result = subprocess.run(
        [sys.executable, str(script), str(job)],
        env={**os.environ, "PYTHONPATH": str(checkout.resolve())},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told = json.loads(result.stdout.splitlines()[-1])
    return Seconds(told["wall"], told["cpu"]), [tuple(ids) for ids in told["token_ids"]]


def main() -> None:
    parser = make_parser(
        __doc__,
        styles="sequential_light",
        rounds=(3,),
        latent_lengths=(32,),
        questions=16,
        batch_size=16,
        shortest=180,
        longest=760,
        max_new_tokens=64,
        hidden_size=512,
        layers=8,
        repeats=1,
        against="",
    )
    args = parser.parse_args()
    names = list(PUBLISHED_STYLES) if args.styles == "all" else args.styles.split(",")
    compare = compare_with_checkout if args.against else compare_with_twin
    cells: list[Cell] = []
    for style in (PUBLISHED_STYLES[name] for name in names):
        with tempfile.TemporaryDirectory() as folder:
            release = write_random_release(
                Path(folder), style, hidden_size=args.hidden_size, layers=args.layers
            )
            questions = make_questions(style, args.questions, args.shortest, args.longest)
            cells += compare(args, release, style, questions)
    fits = print_fits(cells, "seconds" if "cuda" in args.device else "cpu_seconds")
    print(
        f"{args.questions} questions of {args.shortest} to {args.longest} tokens, batch {args.batch_size}, "
        f"{args.max_new_tokens} new tokens, {args.layers} layers, hidden {args.hidden_size}, {args.dtype}; "
        f"{describe_machine(args.device)}"
    )
    print_figures({"ratio": min(cell["ratio"] for cell in cells), **fits, "cells": cells})


if __name__ == "__main__":
    main()

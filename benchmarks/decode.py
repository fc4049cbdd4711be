"""Decoding where rows end at very different lengths: a row that is done makes room, against `generate`.

    python benchmarks/decode.py

Both sides write as many tokens behind the same prompts with the same random Qwen3-shaped model, greedily, and
as many rows run side by side. `generate` takes the rows batch by batch, in the order given, and a batch runs
until its longest row is done. Lengths are spread evenly on a logarithmic scale, in random order. Prints the
ratio of the seconds first, then the steps of the model on each side, over what nobody could do better (all
tokens / batch size), and a JSON line last.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

import torch
from common import describe_machine, make_parser, random_prompts, random_qwen3

from recursivemas.engine import LocalEngine, Prompt, SamplingSettings, WriteRequest, random_stream

Texts = list[tuple[int, ...]]


def build(args: argparse.Namespace) -> tuple[LocalEngine, list[Prompt], list[int]]:
    torch.manual_seed(args.seed)
    engine = random_qwen3(
        layers=args.layers, hidden_size=args.hidden_size, dtype=args.dtype, device=args.device
    )
    engine.max_rows = args.batch_size
    shortest, longest = (torch.tensor(float(number)).log() for number in (args.shortest, args.longest))
    lengths = torch.linspace(shortest, longest, args.rows).exp().round().long()
    lengths = lengths[torch.randperm(args.rows)]
    prompts = random_prompts(0.5 * args.prompt_length, args.prompt_length, args.rows)
    return engine, [[ids] for ids in prompts], lengths.tolist()


def write(engine: LocalEngine, prompts: Sequence[Prompt], lengths: Sequence[int]) -> tuple[Texts, int]:
    """What is written behind each prompt, and how many steps that took."""
    requests = [
        WriteRequest(row=row, stream=random_stream(0, str(row)), max_new_tokens=length)
        for row, length in enumerate(lengths)
    ]
    steps: list[int] = []
    greedy = SamplingSettings(greedy=True).resolve(None)
    session = engine.open(prompts)
    written = dict(session.write(requests, sampling=greedy, stop_ids=(), on_step=steps.append))
    return [written[row].token_ids for row in range(len(prompts))], len(steps)


def generate(
    engine: LocalEngine, prompts: Sequence[Prompt], lengths: Sequence[int], batch_size: int
) -> tuple[Texts, int]:
    """The same by transformers' own `generate`."""
    texts: Texts = []
    steps, device = 0, engine.device
    for start in range(0, len(prompts), batch_size):
        rows = [list(ids) for [ids] in prompts[start : start + batch_size]]
        wanted = lengths[start : start + batch_size]
        longest = max(map(len, rows))
        padding = [longest - len(row) for row in rows]
        ids = torch.tensor(
            [[0] * count + row for count, row in zip(padding, rows, strict=True)], device=device
        )
        mask = torch.tensor(
            [[0] * count + [1] * len(row) for count, row in zip(padding, rows, strict=True)], device=device
        )
        output = engine.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=max(wanted),
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        new = output[:, longest:].tolist()
        texts += [tuple(row[:count]) for row, count in zip(new, wanted, strict=True)]
        steps += max(wanted)
    return texts, steps


def main() -> None:
    parser = make_parser(
        __doc__,
        layers=8,
        hidden_size=512,
        prompt_length=100,
        rows=32,
        batch_size=8,
        shortest=8,
        longest=256,
        seed=0,
    )
    args = parser.parse_args()
    with torch.no_grad():
        engine, prompts, lengths = build(args)
        write(engine, prompts[:2], [2, 2])  # warm up: thread pools, kernels
        generate(engine, prompts[:2], [2, 2], args.batch_size)
        start = time.perf_counter()
        ours, our_steps = write(engine, prompts, lengths)
        middle = time.perf_counter()
        theirs, their_steps = generate(engine, prompts, lengths, args.batch_size)
        end = time.perf_counter()
    ideal = sum(lengths) / args.batch_size
    ratio, over = (end - middle) / (middle - start), our_steps / ideal
    same = sum(one == other for one, other in zip(ours, theirs, strict=True))
    print(f"ratio       {ratio:8.2f} x")
    print(
        f"ours        {middle - start:8.2f} s  {our_steps:6d} steps, {over:.3f} times all tokens / batch size"
    )
    print(f"generate    {end - middle:8.2f} s  {their_steps:6d} steps, {their_steps / ideal:.3f} times")
    print(f"{same} of {args.rows} texts are the same to the last token")
    print(
        f"{args.rows} rows of {args.shortest} to {args.longest} tokens ({sum(lengths)} in all), batch "
        f"{args.batch_size}, prompts <= {args.prompt_length}, {args.layers} layers, hidden "
        f"{args.hidden_size}, {args.dtype}; {describe_machine(args.device)}"
    )
    figures = {
        "ratio": round(ratio, 3),
        "steps_over_ideal": round(over, 4),
        "seconds": round(middle - start, 3),
        "generate_seconds": round(end - middle, 3),
        "steps": our_steps,
        "generate_steps": their_steps,
        "tokens": sum(lengths),
        "same_texts": same,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

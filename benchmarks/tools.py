"""Answers with slow tools: rows that wait leave the others alone, against all rows waiting for each call.

    python benchmarks/tools.py

The same batch is decoded four times by one random Qwen3-shaped model: with tools that answer at once, with
tools that take --tool-seconds a call, with these where rows come back together every --rejoin-every tokens,
and where the whole batch waits for every call, as a loop does that calls its tools in place. A random model
writes no tags, so a row calls after a fixed number of tokens. Prints how much longer the slow tools make it:
about the longest row's time in tools, not the sum.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import Future

import torch
from common import describe_machine, make_parser, random_prompts, random_qwen3

from recursivemas.engine import (
    Generated,
    LocalEngine,
    Prompt,
    Resumption,
    SamplingSettings,
    WriteRequest,
    random_stream,
)
from recursivemas.tools import Request, ToolAnswer, Toolbox, ToolCall

RESULT_TOKENS = 60


class Sleep:
    """A tool that does nothing for a while."""

    name = "sleep"
    deadline_s = None

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, request: str) -> ToolAnswer:
        time.sleep(self._seconds)
        return ToolAnswer(text="slept")

    def describe(self) -> dict[str, float]:
        return {"seconds": self._seconds}


class Calls:
    """Row r calls `num_calls[r]` times, each time after as many tokens of its own."""

    def __init__(self, num_calls: Sequence[int], every: int, seconds: float, *, in_place: bool) -> None:
        self._num_calls = num_calls
        self._every = every
        self._toolbox = Toolbox([Sleep(seconds)], max_calls=max(num_calls))
        self._in_place = in_place
        self._made = [0] * len(num_calls)

    def look(self, row: int, written: Sequence[int]) -> Future[ToolCall] | None:
        if self._made[row] == self._num_calls[row] or len(written) < self._every + row:
            return None
        answer = self._toolbox.ask(Request("sleep", "please", 0, 0), self._made[row])
        self._made[row] += 1
        if self._in_place:
            answer.result()
        return answer

    def resume(self, row: int, call: ToolCall) -> Resumption:
        return Resumption((1,) * (self._every + row), (2,) * RESULT_TOKENS)


def build(args: argparse.Namespace) -> tuple[LocalEngine, list[Prompt]]:
    torch.manual_seed(0)
    engine = random_qwen3(
        layers=args.layers, hidden_size=args.hidden_size, dtype=args.dtype, device=args.device
    )
    return engine, [[ids] for ids in random_prompts(150, 250, args.batch_size)]


def timed(
    args: argparse.Namespace,
    side: str,
    engine: LocalEngine,
    prompts: list[Prompt],
    calls: Calls,
    rejoin_every: int = 0,
) -> tuple[float, dict[int, Generated]]:
    start = time.perf_counter()
    requests = [
        WriteRequest(row=row, stream=random_stream(0, str(row)), max_new_tokens=args.tokens)
        for row in range(args.batch_size)
    ]
    written = engine.open(prompts).write(
        requests,
        sampling=SamplingSettings(greedy=True).resolve(None),
        stop_ids=(),
        pauses=calls,
        rejoin_every=rejoin_every,
    )
    rows = dict(written)
    seconds = time.perf_counter() - start
    print(f"{side:<34} {seconds:7.2f} s", flush=True)
    return seconds, rows


def main() -> None:
    parser = make_parser(
        __doc__,
        layers=8,
        hidden_size=512,
        batch_size=8,
        tokens=160,
        every=30,
        rejoin_every=32,
        tool_seconds=2.0,
    )
    args = parser.parse_args()
    num_calls = [1 + row % 3 for row in range(args.batch_size)]
    with torch.no_grad():
        engine, prompts = build(args)
        warm_up = Calls([0] * (args.batch_size - 1) + [1], args.every, 0.0, in_place=False)
        timed(args, "(warm-up)", engine, prompts, warm_up)

        def run(side: str, seconds: float, *, in_place: bool = False, rejoin_every: int = 0):
            calls = Calls(num_calls, args.every, seconds, in_place=in_place)
            return timed(args, side, engine, prompts, calls, rejoin_every)

        side, seconds, steps = f"tools of {args.tool_seconds:g} s", args.tool_seconds, args.rejoin_every
        instant, first = run("tools that answer at once", 0.0)
        slow, second = run(side, seconds)
        together, third = run(f"{side}, back every {steps} tokens", seconds, rejoin_every=steps)
        waiting, fourth = run(f"{side}, all rows wait", seconds, in_place=True)
    longest, total = max(num_calls) * args.tool_seconds, sum(num_calls) * args.tool_seconds
    print(
        f"slow tools add {slow - instant:.2f} s; the longest row's tools take {longest:g} s, "
        f"all rows' {total:g} s"
    )
    print(
        f"where rows come back together every {steps} tokens they add {together - instant:.2f} s; where all "
        f"rows wait, {waiting - instant:.2f} s; ratio {waiting / slow:.2f} x"
    )
    print(f"same text in all four: {first == second == third == fourth}")
    print(
        f"batch {args.batch_size}, {args.tokens} tokens a row, {sum(num_calls)} calls, {args.layers} layers, "
        f"hidden {args.hidden_size}, {args.dtype}; {describe_machine(args.device)}"
    )


if __name__ == "__main__":
    main()

r"""What the strict grader refuses that is right, and accepts that is wrong, beside math-verify.

    python benchmarks/paraphrases.py --data math500.jsonl

From the golds of a file in MATH-500's fields (`problem`, `answer`) it writes two sets of answers: other
spellings of a gold, which should be accepted, and wrong ones, which should not. Nothing is kept. Without
--data a few golds of our own are taken. Kinds are in `answers/`. Two tables count the false verdicts of both
graders by kind; --show prints every false verdict of ours, to be read by hand: a mutation may happen to keep
the value, or differ in a unit alone, which the strict grader lets be left out.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random

from answers.dress import DRESS
from answers.numbers import NUMBERS
from answers.structures import STRUCTURES
from answers.wrong import WRONG, others

from recursivemas.grading.strict import grade_strict
from recursivemas.question import Question

OWN_GOLDS = (
    "7", "-12", "640", "8150", r"23,\!460", r"\frac{5}{8}", r"-\frac{7}{12}", r"\frac{17}{3}", ".375",
    "12.5", r"3\frac{2}{7}", r"5\sqrt{7}", r"\sqrt{41}", r"\frac{2\sqrt{5}}{5}", r"14\pi", "4-9i",
    "312_5", r"65^\circ", r"\$27.40", r"\$48,\!150", r"21\mbox{ cm}^2", r"6.3 \text{ cents}", "(4,-7)",
    r"\left( 5, \frac{\pi}{4} \right)", "(2,9]", r"[3,\infty)", r"(-\infty,1) \cup (4,\infty)", "-4,3",
    "2, 6, 9", r"2 \pm \sqrt{7}", "y = 4x - 9", "3x - 2y + 5z + 1 = 0", "x=8", "4n^2 + 3n - 7",
    "x^4+x^2+1", r"\text{north}", r"\text{(D)}", r"\begin{pmatrix} 2/7 \\ -3/7 \end{pmatrix}",
    r"\begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix}", r"\tan x",
)  # fmt: skip
DRESS_PER_GOLD = 4
OTHERS_PER_GOLD = 12


@dataclass(frozen=True)
class Pair:
    kind: str
    problem: str
    gold: str
    answer: str

    def ours(self) -> bool:
        return grade_strict(
            rf"\boxed{{{self.answer}}}", Question(id="q", text=self.problem, gold=self.gold)
        ).correct


def read_golds(path: Path | None) -> list[tuple[str, str]]:
    """(problem, gold) of each row, the first one of each gold."""
    if path is None:
        return [("?", gold) for gold in OWN_GOLDS]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    first: dict[str, str] = {}
    for row in rows:
        first.setdefault(row["answer"], row["problem"])
    return [(problem, gold) for gold, problem in first.items()]


def equal_pairs(golds: Sequence[tuple[str, str]]) -> Iterator[Pair]:
    """Every spelling that applies, and some of the dress, another one for each gold."""
    random = Random(0)
    for problem, gold in golds:
        found = [(kind.__name__, answer) for kind in (*NUMBERS, *STRUCTURES) for answer in kind(gold)]
        dress = [(kind.__name__, answer) for kind in DRESS for answer in kind(gold)]
        found += random.sample(dress, min(DRESS_PER_GOLD, len(dress)))
        yield from distinct(found, problem, gold)


def wrong_pairs(golds: Sequence[tuple[str, str]]) -> Iterator[Pair]:
    random = Random(0)
    all_golds = [gold for _, gold in golds]
    for problem, gold in golds:
        found = [(kind.__name__, answer) for kind in WRONG for answer in kind(gold)]
        found += [("others", other) for other in others(gold, all_golds, OTHERS_PER_GOLD, random)]
        if "percent" in problem:  # where it is asked for, its sign may be left out
            found = [(kind, answer) for kind, answer in found if not answer.endswith("%")]
        yield from distinct(found, problem, gold)


def distinct(found: Sequence[tuple[str, str]], problem: str, gold: str) -> Iterator[Pair]:
    """One pair for each text that is not the gold's own."""
    seen = {"".join(gold.split())}
    for kind, answer in found:
        if "".join(answer.split()) not in seen:
            seen.add("".join(answer.split()))
            yield Pair(kind, problem, gold, answer)


def math_verify(pair: Pair) -> bool:
    """The usual way: the gold in dollars, the answer in its box, the gold first."""
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    return bool(verify(parse(f"${pair.gold}$"), parse(rf"$\boxed{{{pair.answer}}}$")))


def judge(pairs: Sequence[Pair], workers: int) -> dict[str, list[bool]]:
    """Each grader's verdict on each pair."""
    with ThreadPoolExecutor(workers) as threads, ProcessPoolExecutor(workers) as processes:
        theirs = processes.map(math_verify, pairs, chunksize=50)
        return {"strict": list(threads.map(Pair.ours, pairs)), "math-verify": list(theirs)}


def print_table(title: str, pairs: Sequence[Pair], verdicts: dict[str, list[bool]], right: bool) -> None:
    """How many verdicts are not `right`, by kind and grader."""
    totals = Counter(pair.kind for pair in pairs)
    false = {
        name: Counter(pair.kind for pair, verdict in zip(pairs, row, strict=True) if verdict is not right)
        for name, row in verdicts.items()
    }
    print(f"\n{title}\n{'kind':<24}{'pairs':>8}" + "".join(f"{name:>14}" for name in false))
    for kind, total in totals.items():
        print(f"{kind:<24}{total:>8}" + "".join(f"{counts[kind]:>14}" for counts in false.values()))
    print(f"{'all':<24}{len(pairs):>8}" + "".join(f"{counts.total():>14}" for counts in false.values()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="a file in MATH-500's fields")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--show", action="store_true", help="print every false verdict of the strict grader")
    args = parser.parse_args()
    golds = read_golds(args.data)
    start = time.perf_counter()
    for title, pairs, right in (
        ("Other spellings that are refused", list(equal_pairs(golds)), True),
        ("Wrong answers that are accepted", list(wrong_pairs(golds)), False),
    ):
        verdicts = judge(pairs, args.workers)
        print_table(title, pairs, verdicts, right)
        if args.show:
            for pair, verdict in zip(pairs, verdicts["strict"], strict=True):
                if verdict is not right:
                    print(f"{pair.kind}: {pair.gold}   |   {pair.answer}")
    print(
        f"\n{len(golds)} golds, {time.perf_counter() - start:.0f} s, {args.workers} worker(s), "
        f"math-verify {version('math-verify')}, {platform.platform()}, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()

"""How fast answers are graded: code in the sandbox with 1 and 2 workers, what isolation costs, mathematics.

    python benchmarks/grading.py

Code: the reference solutions of dataset/demo_mbppplus.jsonl, --repeats times each, at the best level of
isolation that works here. Isolation: an empty program at each level that works, against a bare `python -I` of
the same program; the median of --runs. Mathematics: the integer golds of dataset/demo_math500.jsonl by each
grader, in a box as they are, as a fraction (which only `strict` has to work out), and off by one.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from recursivemas.benchmarks import BENCHMARKS, load_questions
from recursivemas.grading import GRADERS
from recursivemas.grading.code import CodeGrader
from recursivemas.question import Question
from recursivemas.sandbox import LEVELS, find_isolation, run_python, why_not
from recursivemas.sandbox.isolation import PYTHON

DATASETS = Path(__file__).parents[1] / "dataset"


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median_ms(action: Callable[[], object], runs: int) -> float:
    action()  # files into the system's cache
    return 1000 * statistics.median(seconds(action) for _ in range(runs))


def grade_code(answers: Sequence[tuple[str, Question]], workers: int) -> float:
    """Problems a second; every answer has to pass."""
    grader = CodeGrader(isolation=find_isolation(), workers=workers)
    start = time.perf_counter()
    grades = grader.grade_many(answers)
    rate = len(answers) / (time.perf_counter() - start)
    assert all(grade.correct for grade in grades), [grade.how for grade in grades if not grade.correct]
    return rate


def measure_code(repeats: int) -> None:
    questions = load_questions(BENCHMARKS["mbppplus"], path=DATASETS / "demo_mbppplus.jsonl")
    answers = [(f"```python\n{question.gold}\n```", question) for question in questions] * repeats
    one, two = grade_code(answers, 1), grade_code(answers, 2)
    print(f"code, 2 workers against 1  {two / one:7.2f} x")
    for workers, rate in ((1, one), (2, two)):
        print(
            f"code, {workers} worker(s)         {rate:7.1f} problems/s   ({len(answers)}, {find_isolation()})"
        )


def measure_isolation(runs: int) -> None:
    bare = median_ms(lambda: subprocess.run([PYTHON, "-I", "-S", "-c", "pass"], check=True), runs)
    print(f"a bare python -I           {bare:7.1f} ms")
    for level in LEVELS:
        reason = why_not(level)
        if reason is not None:
            print(f"isolation: {level:<15}   not measured: {reason}")
            continue
        whole = median_ms(lambda level=level: run_python("pass", isolation=level), runs)
        print(f"isolation: {level:<15} {whole - bare:7.1f} ms a run on top of it")


FORMS: dict[str, Callable[[int], str]] = {
    "as it is": str,
    "as a fraction": lambda value: rf"\frac{{{2 * value}}}{{2}}",
    "off by one": lambda value: str(value + 1),
}


def measure_mathematics() -> None:
    questions = load_questions(BENCHMARKS["math500"], path=DATASETS / "demo_math500.jsonl")
    questions = [question for question in questions if question.gold.isdecimal()]
    for name in BENCHMARKS["math500"].graders:
        grader = GRADERS[name]
        for form, write in FORMS.items():
            texts = [rf"\boxed{{{write(int(question.gold))}}}" for question in questions]
            grader(texts[0], questions[0])  # what is started once
            start = time.perf_counter()
            grades = [grader(text, question) for text, question in zip(texts, questions, strict=True)]
            rate = len(questions) / (time.perf_counter() - start)
            assert {grade.correct for grade in grades} == {form != "off by one"}
            print(f"mathematics, {name}, {form:<14} {rate:9.0f} answers/s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runs", type=int, default=30)
    args = parser.parse_args()
    measure_code(args.repeats)
    measure_isolation(args.runs)
    measure_mathematics()
    print(
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {platform.platform()}, "
        f"Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()

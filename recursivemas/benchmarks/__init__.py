"""Benchmarks: rows of a hub dataset or a local file -> questions. One file a benchmark."""

from __future__ import annotations

from pathlib import Path

from recursivemas.benchmarks.aime25 import AIME25
from recursivemas.benchmarks.aime26 import AIME26
from recursivemas.benchmarks.bamboogle import BAMBOOGLE
from recursivemas.benchmarks.base import Benchmark, DatasetError
from recursivemas.benchmarks.files import SUFFIXES
from recursivemas.benchmarks.gpqa import GPQA
from recursivemas.benchmarks.hotpotqa import HOTPOTQA
from recursivemas.benchmarks.livecodebench import LIVECODEBENCH
from recursivemas.benchmarks.load import Questions, load_questions
from recursivemas.benchmarks.math500 import MATH500
from recursivemas.benchmarks.mbppplus import MBPPPLUS
from recursivemas.benchmarks.medqa import MEDQA
from recursivemas.benchmarks.own import own_benchmark
from recursivemas.errors import did_you_mean

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        MATH500,
        GPQA,
        MEDQA,
        MBPPPLUS,
        LIVECODEBENCH,
        AIME25,
        AIME26,
        BAMBOOGLE,
        HOTPOTQA,
    )
}


def find_benchmark(name_or_path: str | Benchmark) -> Benchmark:
    """The benchmark of that name, a file of the user's own as one, or a benchmark as it is.

    Raises DatasetError for what is none of these, and for a file that cannot be read as questions.
    """
    if isinstance(name_or_path, Benchmark):
        return name_or_path
    if name_or_path in BENCHMARKS:
        return BENCHMARKS[name_or_path]
    path = Path(name_or_path)
    if path.suffix or path.is_file():
        return own_benchmark(path)
    raise DatasetError(
        f"unknown dataset {name_or_path!r}{did_you_mean(name_or_path, BENCHMARKS)}; known are "
        f"{', '.join(BENCHMARKS)}, and files of your own ({SUFFIXES})"
    )


__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "DatasetError",
    "Questions",
    "find_benchmark",
    "load_questions",
    "own_benchmark",
]

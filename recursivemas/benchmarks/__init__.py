"""Benchmarks: rows of a hub dataset or a local file -> questions. One file a benchmark."""

from __future__ import annotations

from recursivemas.benchmarks.base import Benchmark, DatasetError
from recursivemas.benchmarks.gpqa import GPQA
from recursivemas.benchmarks.load import load_questions
from recursivemas.benchmarks.math500 import MATH500
from recursivemas.benchmarks.medqa import MEDQA

BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in (MATH500, GPQA, MEDQA)}


def find_benchmark(name: str) -> Benchmark:
    """The benchmark of that name; ValueError with the known names otherwise."""
    if name not in BENCHMARKS:
        raise ValueError(f"unknown dataset {name!r}; known are {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]


__all__ = ["BENCHMARKS", "Benchmark", "DatasetError", "find_benchmark", "load_questions"]

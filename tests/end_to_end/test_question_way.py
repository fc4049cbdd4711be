"""The way of one question, from its row to its verdicts, is short, and as the architecture page tells it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import recursivemas
from recursivemas import load_mas_system
from recursivemas.benchmarks import find_benchmark
from recursivemas.runs.graders import RunGraders
from recursivemas.settings import RunSettings

pytestmark = pytest.mark.process

PACKAGE = Path(recursivemas.__file__).parent
PAGE = PACKAGE.parent / "docs" / "architecture.md"


def files_entered(work: Callable[[], Any]) -> set[str]:
    """The package's files in which `work` calls a function, but for what importing a module runs."""
    entered = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            entered.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return {str(Path(name).relative_to(PACKAGE)) for name in entered if name.startswith(str(PACKAGE))}


def files_in_the_table() -> set[str]:
    section = PAGE.read_text(encoding="utf-8").split("## One question's way")[1].split("\n## ")[0]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    return set(re.findall(r"\]\(\.\./recursivemas/([\w/]+\.py)\)", table))


def test_the_page_names_every_file_on_the_way(toy_release):
    benchmark = find_benchmark("math500")
    row = {"problem": "What is $37 + 58$?", "answer": "95", "unique_id": "demo/1", "level": 1}
    settings = RunSettings.of(dataset="math500", num_recursive_rounds=2, latent_length=2, max_new_tokens=6)
    graders = RunGraders(benchmark, settings.grading, settings.tools)
    with load_mas_system("sequential_light", device="cpu", release=toy_release) as system:
        batches = system.batches(settings.solve, None, [])

        def one_way() -> None:
            question = benchmark.to_question(row, "demo/1", 42)
            [finished] = batches.solve([question])
            [solution] = finished[0]
            graders.grade([replace(solution, text=r"It is \boxed{95}.")])  # whatever the toy has written

        entered = files_entered(one_way)
    assert sorted(entered) == sorted(files_in_the_table())

"""Runs of five short sums from the command line, in the process of the test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from recursivemas.cli.main import run_main

SMALL = ["--device", "cpu", "--num_recursive_rounds", "2", "--latent_length", "2", "--max_new_tokens", "6"]


class Ran(NamedTuple):
    """What became of a run: its exit status, what it printed, and its folder."""

    status: int
    out: str
    err: str
    folder: Path


class SmallRuns:
    """Called with further flags it runs; all runs are of one folder and one file of questions."""

    def __init__(self, folder: Path, release: Path, capsys: Any) -> None:
        self.questions = folder / "questions.jsonl"
        rows = [
            {"problem": f"What is {n} + {n}?", "answer": str(2 * n), "unique_id": f"sum/{n}"}
            for n in range(5)
        ]
        self.questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self._folder = folder / "run"
        self._files = ["--release", str(release), "--dataset_path", str(self.questions)]
        self._capsys = capsys

    def __call__(self, *flags: str) -> Ran:
        status = run_main([*SMALL, *self._files, "--output_dir", str(self._folder), *flags])
        captured = self._capsys.readouterr()
        return Ran(status, captured.out, captured.err, self._folder)


def read(folder: Path, name: str) -> Any:
    """A file of a run, read from JSON, or from lines of it."""
    text = (folder / name).read_text()
    return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)

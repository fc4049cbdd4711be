"""compare and report on runs that the command line wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from recursivemas.cli.main import main, run_main

pytestmark = pytest.mark.process

FLAGS = [
    *("--style", "sequential_light", "--device", "cpu", "--latent_length", "2", "--max_new_tokens", "8"),
    *("--batch_size", "4"),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, toy_release) -> list[str]:
    """Latent and text mode at two numbers of rounds, and one agent alone, on the same questions."""
    home = tmp_path_factory.mktemp("runs")
    rows = [
        {"problem": f"What is {n} + {n}?", "answer": str(2 * n), "unique_id": f"sum/{n}"} for n in range(6)
    ]
    (home / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = ["--release", str(toy_release), "--dataset_path", str(home / "questions.jsonl")]
    kinds = {
        "latent1": ["--num_recursive_rounds", "1"],
        "latent2": ["--num_recursive_rounds", "2"],
        "text1": ["--num_recursive_rounds", "1", "--mode", "text"],
        "text2": ["--num_recursive_rounds", "2", "--mode", "text"],
        "single": ["--mode", "single", "--role", "critic"],
    }
    for name, flags in kinds.items():
        assert run_main([*FLAGS, *files, *flags, "--output_dir", str(home / name)]) == 0
    return [str(home / name) for name in kinds]


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "csv", "json"])
def test_runs_are_compared(runs, form, capsys):
    assert main(["compare", *runs, "--format", form]) == 0
    out = capsys.readouterr().out
    assert "latent1" in out
    assert "text2" in out


def test_runs_are_reported_with_plots(runs, tmp_path):
    assert main(["report", *runs, "-o", str(tmp_path)]) == 0
    written = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert {".md", ".tex", ".csv", ".png", ".svg"} <= written


def test_an_unfinished_run_is_refused(runs, tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    assert main(["compare", runs[0], str(tmp_path)]) == 2
    assert "Was it written by another version" in capsys.readouterr().err
    unfinished = shutil.copytree(runs[0], tmp_path / "unfinished")
    (unfinished / "summary.json").unlink()
    assert main(["compare", runs[0], str(unfinished)]) == 2
    assert "has not finished" in capsys.readouterr().err


def test_token_counts_are_those_of_the_samples(runs):
    """What the summary says was written is what the samples hold."""
    for run in map(Path, runs):
        summary = json.loads((run / "summary.json").read_text())
        samples = [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]
        written = sum(
            len(sample["token_ids"]) + sum(len(row["token_ids"]) for row in sample["passages"].values())
            for sample in samples
        )
        assert sum(stage["generated_tokens"] for stage in summary["stages"]) == written

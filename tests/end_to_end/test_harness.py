"""What users of other harnesses expect: chosen questions, majority votes, metrics as they come, the hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recursivemas.cli.main import run_main

pytestmark = pytest.mark.process

SMALL = ["--style", "distillation", "--device", "cpu", "--num_recursive_rounds", "2", "--latent_length", "2"]
SMALL += ["--max_new_tokens", "4"]


@pytest.fixture
def run(tmp_path, toy_release, capsys):
    """Run with further flags -> (exit status, standard output, standard error, run folder)."""
    questions, folder = tmp_path / "questions.jsonl", tmp_path / "run"
    rows = [{"problem": f"{n} + {n}?", "answer": str(2 * n), "unique_id": f"sum/{n}"} for n in range(5)]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def call(*flags: str):
        files = ["--release", str(toy_release), "--dataset_path", str(questions), "--output_dir", str(folder)]
        status = run_main([*SMALL, *files, *flags])
        captured = capsys.readouterr()
        return status, captured.out, captured.err, folder

    return call


def read(folder: Path, name: str):
    text = (folder / name).read_text()
    return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)


def test_questions_are_chosen_by_id_and_a_changed_file_of_them_is_not_resumed(run, tmp_path):
    chosen = tmp_path / "chosen.txt"
    chosen.write_text("sum/4\n1-2\n")
    flags = ("--sample_ids", f"@{chosen}")
    status, _, _, folder = run(*flags)
    assert status == 0
    ids = ["sum/1", "sum/2", "sum/4"]
    assert [sample["id"] for sample in read(folder, "samples.jsonl")] == ids
    assert read(folder, "config.json")["questions"]["ids"] == ids
    chosen.write_text("sum/4\n1-1\n")
    (folder / "summary.json").unlink()
    status, _, err, _ = run(*flags, "--resume")
    assert status == 2
    assert "questions.ids: ['sum/1', 'sum/2', 'sum/4'] before, ['sum/1', 'sum/4'] now" in err


def test_several_rollouts_are_voted_on(run):
    status, out, _, folder = run("--num_rollouts", "3", "--sample_ids", "0-1")
    assert status == 0
    summary = read(folder, "summary.json")
    for grader, score in summary["metrics"].items():
        assert list(score["majority_at"]) == list(score["pass_at"]) == ["1", "2", "3"]
        assert f"by the {grader} grader" in next(
            line for line in out.splitlines() if line.startswith("maj@3")
        )
    assert out.splitlines()[-1].startswith("[result] accuracy=")

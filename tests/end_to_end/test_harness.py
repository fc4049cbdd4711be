"""What users of other harnesses expect: chosen questions, majority votes, metrics as they come, the hub."""

from __future__ import annotations

import json
import shutil
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


def test_a_system_prompt_of_one_s_own_is_recorded_and_decides_the_text(run):
    status, _, _, folder = run("--sample_ids", "0-0")
    assert status == 0
    plain = read(folder, "samples.jsonl")[0]
    shutil.rmtree(folder)
    flags = ("--sample_ids", "0-0", "--system_prompt")
    status, _, _, _ = run(*flags, "Answer in Latin, as briefly as you can.")
    assert status == 0
    texts = read(folder, "config.json")["prompts"]["system_prompt"]
    assert set(texts.values()) == {"Answer in Latin, as briefly as you can."}
    assert read(folder, "samples.jsonl")[0]["usage"][0]["prompt_tokens"] != plain["usage"][0]["prompt_tokens"]
    status, _, err, _ = run(*flags, "Answer in Greek.", "--resume")
    assert status == 2
    assert "system_prompt" in err

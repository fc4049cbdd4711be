"""Runs that are killed and resumed end as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recursivemas.cli.main import run_main
from recursivemas.recursion.batches import Batches
from tests.support.run_folders import without_times

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
NUM_KILLS = int(os.environ.get("RECURSIVEMAS_TEST_KILLS", "3"))


@pytest.fixture(scope="module")
def flags(tmp_path_factory, toy_release) -> list[str]:
    path = tmp_path_factory.mktemp("questions") / "questions.jsonl"
    rows = [
        {"problem": f"What is {n} + {n}?", "answer": str(2 * n), "unique_id": f"sum/{n}"} for n in range(12)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        *("--style", "sequential_light", "--device", "cpu", "--release", str(toy_release)),
        *("--dataset_path", str(path), "--batch_size", "2", "--answer_window", "2"),
        *("--num_recursive_rounds", "2"),
        *("--latent_length", "4", "--max_new_tokens", "40", "--num_rollouts", "2"),
    ]


def samples(folder: Path) -> list[dict]:
    lines = (folder / "samples.jsonl").read_text().splitlines()
    return [without_times(json.loads(line)) for line in lines]


@pytest.fixture(scope="module")
def uninterrupted(flags, tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert run_main([*flags, "--output_dir", str(folder)]) == 0
    return samples(folder)


@pytest.mark.long
def test_a_run_killed_at_random_moments_resumes_to_the_same_samples(flags, uninterrupted, tmp_path):
    """SIGKILL in a process of its own, again and again, then a last run to the end."""
    folder = tmp_path / "run"
    command = [sys.executable, "run.py", *flags, "--output_dir", str(folder), "--resume"]
    moments = random.Random(0)
    for _ in range(NUM_KILLS):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        before = size(folder)
        while size(folder) == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    assert samples(folder) == uninterrupted
    assert json.loads((folder / "summary.json").read_text())["num_samples"] == 24


def test_ctrl_c_ends_a_run_at_once_and_loses_nothing(flags, uninterrupted, tmp_path):
    """While it imports, and while it solves; what was finished is there, and --resume goes on."""
    folder = tmp_path / "run"
    command = [sys.executable, "run.py", *flags, "--output_dir", str(folder), "--resume"]
    importing = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: "libtorch" in Path(f"/proc/{importing.pid}/maps").read_text())
    assert interrupt(importing) == "interrupted"
    solving = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: size(folder) > 0)
    assert interrupt(solving) == "interrupted"
    kept = len((folder / "samples.jsonl").read_text().splitlines())
    assert 4 <= kept < len(uninterrupted)
    assert run_main([*flags, "--output_dir", str(folder), "--resume"]) == 0
    assert samples(folder) == uninterrupted


def interrupt(process: subprocess.Popen) -> str:
    """Send Ctrl-C; returns the last line. Two seconds are meant, with room for a machine that is busy."""
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error[-3000:]
    assert "Traceback" not in error
    assert time.monotonic() - start < 10
    return error.splitlines()[-1]


def wait_for(condition, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def size(folder: Path) -> int:
    path = folder / "samples.jsonl"
    return path.stat().st_size if path.exists() else -1


def test_a_finished_run_resumed_stays_as_it_is(flags, tmp_path):
    folder = tmp_path / "run"
    small = [*flags, "--num_samples", "3", "--output_dir", str(folder)]
    assert run_main(small) == 0
    before = (folder / "samples.jsonl").read_bytes()
    assert run_main([*small, "--resume"]) == 0
    assert (folder / "samples.jsonl").read_bytes() == before


def test_a_finished_run_does_not_stand_for_questions_that_came_since(tmp_path, toy_release, capsys):
    file, folder = tmp_path / "mine.jsonl", tmp_path / "run"
    row = {"id": "a", "question": "What is 1 + 1?", "answer": "2"}
    file.write_text(json.dumps(row) + "\n")
    small = ["--device", "cpu", "--release", str(toy_release), "--dataset", str(file)]
    small += ["--max_new_tokens", "4", "--latent_length", "2", "--output_dir", str(folder)]
    assert run_main(small) == 0
    assert run_main([*small, "--resume"]) == 0
    with file.open("a") as more:
        more.write(json.dumps({**row, "id": "b"}) + "\n")
    capsys.readouterr()
    assert run_main([*small, "--resume"]) == 2
    assert "questions.number: 1 before, 2 now" in capsys.readouterr().err


def test_a_run_keeps_the_windows_that_it_has_chosen(flags, tmp_path, monkeypatch):
    folder, widths = tmp_path / "run", []
    at = flags.index("--answer_window")
    small = [*flags[:at], *flags[at + 2 :], "--num_samples", "3", "--output_dir", str(folder)]
    assert run_main(small) == 0
    record = json.loads((folder / "config.json").read_text())
    assert (record["batch_size"], record["answer_window"]) == (2, 16)
    (folder / "config.json").write_text(json.dumps({**record, "answer_window": 3}))
    (folder / "summary.json").unlink()
    (folder / "samples.jsonl").write_text("")
    solve = Batches.solve
    monkeypatch.setattr(
        Batches, "solve", lambda batches, *given: widths.append(batches.window) or solve(batches, *given)
    )
    assert run_main([*small, "--resume"]) == 0
    assert widths == [6]


def test_other_settings_are_refused_with_the_difference(flags, tmp_path, capsys):
    folder = tmp_path / "run"
    small = [*flags, "--num_samples", "2", "--output_dir", str(folder)]
    assert run_main(small) == 0
    before = (folder / "samples.jsonl").read_bytes()
    capsys.readouterr()
    assert run_main([*small, "--resume", "--seed", "43", "--latent_length", "5"]) == 2
    error = capsys.readouterr().err
    assert "seed: 42 before, 43 now" in error
    assert "latent_length: 4 before, 5 now" in error
    assert "batch_size" not in error
    assert (folder / "samples.jsonl").read_bytes() == before


def change_eos(path: Path) -> None:
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "eos_token": "<|endoftext|>"}))


def change_weights(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model.safetensors", change_weights),
        ("chat_template.jinja", lambda path: path.write_text(path.read_text() + " ")),
        ("tokenizer_config.json", change_eos),
        ("generation_config.json", lambda path: path.write_text("{}")),
    ],
)
def test_another_model_is_refused_by_the_file_that_changed(
    flags, toy_release, tmp_path, capsys, name, change
):
    home = tmp_path / "release" / "RecursiveMAS"
    home.mkdir(parents=True)
    solver = "Sequential-Light-Solver-Qwen2.5-Math-1.5B"
    for folder in (toy_release / "RecursiveMAS").glob("Sequential-Light-*"):
        if folder.name == solver:
            shutil.copytree(folder, home / solver)
        else:
            (home / folder.name).symlink_to(folder)
    small = [*flags, "--num_samples", "1", "--max_new_tokens", "2", "--output_dir", str(tmp_path / "run")]
    small += ["--release", str(home.parent)]
    assert run_main(small) == 0
    assert run_main([*small, "--resume"]) == 0
    change(home / solver / name)
    (tmp_path / "run" / "summary.json").unlink()  # a run that is finished has nothing left to mix
    capsys.readouterr()
    assert run_main([*small, "--resume"]) == 2
    assert f"solver's files.{name}: " in capsys.readouterr().err


def test_resuming_needs_a_folder(capsys):
    assert run_main(["--resume"]) == 2
    assert "give --output_dir FOLDER" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_an_error(flags, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run_main([*flags, "--num_samples", "1", "--output_dir", str(tmp_path / "file" / "run")]) == 2
    assert "error: " in capsys.readouterr().err

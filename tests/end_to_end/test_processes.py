"""Several processes write one run, and one that dies costs nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recursivemas.cli import run_main

ROOT = Path(__file__).parents[2]
FLAGS = [
    *("--style", "mixture", "--device", "cpu", "--dtype", "float64", "--batch_size", "2"),
    *("--num_recursive_rounds", "2", "--latent_length", "3", "--max_new_tokens", "24", "--save_latents"),
]


@pytest.fixture(scope="module")
def flags(tmp_path_factory, toy_release) -> list[str]:
    path = tmp_path_factory.mktemp("questions") / "questions.jsonl"
    rows = [
        {"problem": f"What is {n} + {n}?", "answer": str(2 * n), "unique_id": f"sum/{n}"} for n in range(9)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [*FLAGS, "--release", str(toy_release), "--dataset_path", str(path)]


@pytest.fixture(scope="module")
def alone(flags, tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("runs") / "alone"
    assert run_main([*flags, "--output_dir", str(folder)]) == 0
    return samples(folder)


def samples(folder: Path) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    for row in rows:
        row["usage"] = [{**usage, "seconds": None} for usage in row["usage"]]
    return rows


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_ranks(flags: list[str], folder: Path) -> list[subprocess.Popen]:
    """Two ranks without a launcher that would end both when one dies."""
    shared = {
        **os.environ,
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "ACCELERATE_USE_CPU": "true",
    }
    command = [sys.executable, "run.py", *flags, "--output_dir", str(folder)]
    return [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def test_two_launched_processes_write_what_one_writes(flags, alone, tmp_path):
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    command = [*launcher, "--main_process_port", str(free_port()), "run.py", *flags]
    result = subprocess.run(
        [*command, "--output_dir", str(tmp_path / "run")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert samples(tmp_path / "run") == alone
    assert result.stdout.count("[result]") == 1
    assert not (tmp_path / "run" / "shards").exists()
    assert len(list((tmp_path / "run" / "latents").iterdir())) == 5


def test_a_rank_that_dies_is_reported_and_its_batch_run_again(flags, alone, tmp_path):
    folder = tmp_path / "run"
    first, second = start_ranks(flags, folder)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not claimed_by(folder, 1):
        time.sleep(0.002)
    second.send_signal(signal.SIGKILL)
    second.communicate()
    out, err = first.communicate(timeout=200)
    assert first.returncode == 0, err[-3000:]
    assert "process 1 (pid" in err
    assert "died; batch" in err
    assert "[result]" in out
    assert samples(folder) == alone


def test_a_run_whose_processes_all_died_is_resumed_by_one(flags, alone, tmp_path):
    folder = tmp_path / "run"
    ranks = start_ranks(flags, folder)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(folder.glob("shards/batch-*.json")):
        time.sleep(0.002)
    for process in ranks:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert list(folder.glob("shards/batch-*.json"))
    assert run_main([*flags, "--output_dir", str(folder), "--resume"]) == 0
    assert samples(folder) == alone


def claimed_by(folder: Path, rank: int) -> bool:
    for claim in folder.glob("shards/*.claim"):
        try:
            if json.loads(claim.read_text())["rank"] == rank:
                return True
        except (FileNotFoundError, json.JSONDecodeError):
            continue
    return False


def test_several_processes_need_a_folder(monkeypatch, capsys):
    from recursivemas import cli
    from recursivemas.sharding import Rank

    monkeypatch.setattr(cli, "current_rank", lambda: Rank(1, 2))
    assert run_main(["--release", "toy"]) == 2
    assert "give --output_dir FOLDER" in capsys.readouterr().err

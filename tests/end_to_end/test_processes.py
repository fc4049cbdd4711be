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

from recursivemas.cli.main import run_main
from tests.support.run_folders import without_times

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
FLAGS = [
    *("--style", "mixture", "--device", "cpu", "--dtype", "float64", "--batch_size", "1"),
    *("--answer_window", "2"),
    *("--num_recursive_rounds", "2", "--latent_length", "3", "--max_new_tokens", "48", "--save_latents"),
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
    lines = (folder / "samples.jsonl").read_text().splitlines()
    return [without_times(json.loads(line)) for line in lines]


def start_rank(flags: list[str], folder: Path, rank: int, count: int = 2, **more: str) -> subprocess.Popen:
    """A rank without a launcher that would end all when one dies."""
    launch = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(folder), **more}
    return subprocess.Popen(
        [sys.executable, "run.py", *flags, "--output_dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, **launch, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def launches(folder: Path) -> list[dict]:
    return json.loads((folder / "config.json").read_text())["launches"]


def test_two_launched_processes_write_what_one_writes(flags, alone, tmp_path):
    """The README's command. Who did a batch stands in what it left: both of them did some."""
    folder = tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    result = subprocess.run(
        [*launcher, "run.py", *flags, "--output_dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert samples(folder) == alone
    assert result.stdout.count("[result]") == 1
    assert "2 processes share this run" in result.stderr
    [launch] = launches(folder)
    assert launch["processes"] == 2
    assert len(launch["samples"]) == 2
    assert min(launch["samples"]) >= 1
    assert sum(launch["samples"]) == 9
    assert not (folder / "shards").exists()
    assert len(list((folder / "latents").iterdir())) == 9


def test_accelerate_that_starts_one_process_instead_of_two_is_refused(tmp_path):
    script = tmp_path / "rank.py"
    script.write_text("from recursivemas.runs.ranks import current_rank\ncurrent_rank()\n")
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    result = subprocess.run([*launcher, script], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode != 0
    assert "UserError: accelerate launch was asked for several processes and has started one" in result.stderr


@pytest.mark.long
def test_a_rank_that_dies_is_reported_and_its_batch_run_again(flags, alone, tmp_path):
    folder = tmp_path / "run"
    first, second = (start_rank(flags, folder, rank) for rank in range(2))
    wait_for(lambda: claimed_by(folder, 1))
    second.send_signal(signal.SIGKILL)
    second.communicate()
    out, err = first.communicate(timeout=200)
    assert first.returncode == 0, err[-3000:]
    assert f"process 1 (pid {second.pid} on {socket.gethostname()}) ended before it finished batch" in err
    assert "[result]" in out
    assert samples(folder) == alone


@pytest.mark.long
def test_a_run_whose_processes_all_died_is_resumed_by_one(flags, alone, tmp_path):
    folder = tmp_path / "run"
    ranks = [start_rank(flags, folder, rank) for rank in range(2)]
    wait_for(lambda: any(file.stat().st_size for file in folder.glob("shards/process-*.jsonl")))
    for process in ranks:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    (folder / "shards" / "notes.txt").write_text("not ours")
    assert run_main([*flags, "--output_dir", str(folder), "--resume"]) == 0
    assert samples(folder) == alone
    assert [launch["processes"] for launch in launches(folder)] == [2, 1]
    assert [file.name for file in (folder / "shards").iterdir()] == ["notes.txt"]


@pytest.mark.long
def test_nobody_is_waited_for_who_does_not_come_and_who_comes_late_ends_in_peace(flags, alone, tmp_path):
    """When the late one comes, the first one has joined all, and removed the shards."""
    folder = tmp_path / "run"
    out, err = start_rank(flags, folder, 0).communicate(timeout=200)
    assert "[result]" in out
    assert "process 1 of 2 has not come yet" in err
    assert "process 1 of 2 finished no batch" in err
    late = start_rank(flags, folder, 1)
    out, err = late.communicate(timeout=200)
    assert (late.returncode, out) == (0, ""), err[-3000:]
    assert samples(folder) == alone


@pytest.mark.long
def test_a_folder_is_written_by_one_run_at_a_time(flags, alone, tmp_path):
    """Two resume at once: one goes on, the other is told who has the folder and goes on later."""
    folder = tmp_path / "run"
    resuming = [*flags, "--resume"]
    first = start_rank(resuming, folder, 0, count=1)
    wait_for(lambda: (folder / "samples.jsonl").exists())
    first.send_signal(signal.SIGSTOP)  # however fast it is, it is still there when the other comes
    second = start_rank(resuming, folder, 0, count=1)
    out, err = second.communicate(timeout=100)
    assert (second.returncode, out) == (2, "")
    assert f"is being written by another process (process 0 of a run, pid {first.pid} on" in err
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert run_main([*resuming, "--output_dir", str(folder)]) == 0
    assert samples(folder) == alone


def claimed_by(folder: Path, rank: int) -> bool:
    for claim in folder.glob("shards/*.claim"):
        try:
            if json.loads(claim.read_text())["process"] == rank:
                return True
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            continue
    return False


def test_several_processes_need_a_folder(monkeypatch, capsys):
    from recursivemas.cli import launch
    from recursivemas.runs.ranks import Rank

    monkeypatch.setattr(launch, "current_rank", lambda: Rank(1, 2))
    assert run_main(["--release", "toy-random"]) == 2
    assert "give --output_dir FOLDER" in capsys.readouterr().err

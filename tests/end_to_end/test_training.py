"""Training from the command line: published flags, processes that are killed, two instead of one."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from tests.support.pupils import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.process]

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.json"
    data = [{**row, "id": f"{row['id']}-{number}"} for number in range(4) for row in ROWS]
    path.write_text(json.dumps({"data": data}))
    return path


def command(kind, rows, toy_release, save_dir, *more):
    flags = ["--dataset_name", rows, "--release", toy_release, "--device", "cpu", "--save_dir", save_dir]
    return [ROOT / "train" / f"train_{kind}.py", *flags, *more]


def run(*words, launcher=(sys.executable,), status=0, **variables):
    done = subprocess.run(
        [*launcher, *map(str, words)],
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, **variables},
        cwd=ROOT,
    )
    assert done.returncode == status, done.stderr
    return done


INNER = ("--mas_design", "sequential", "--mas_role", "refiner", "--max_steps", 12, "--save_steps", 2)
TRACKIO_LINES = "select run_name, step, metrics from metrics order by id"
TWO = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2")
OUTER = (
    *("--mas_design", "distill", "--max_steps", 8, "--save_steps", 2, "--num_recursive_rounds", 1),
    *("--outer_el_type", "outer_res_adapter", "--dtype", "float32"),
)


def last_metrics(folder):
    return json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])


def links(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.pt")}


@pytest.mark.long
@pytest.mark.parametrize(("kind", "flags"), [("inner", INNER), ("outer", OUTER)])
def test_a_training_that_is_killed_again_and_again_ends_with_the_same_weights(
    kind, flags, rows, toy_release, tmp_path
):
    run(*command(kind, rows, toy_release, tmp_path / "whole", *flags))
    chance = random.Random(kind)
    words = command(kind, rows, toy_release, tmp_path / "killed", *flags, "--resume", "--log_every", 1)
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, *map(str, words)], env=ENVIRONMENT, cwd=ROOT, stderr=subprocess.DEVNULL
        )
        metrics = tmp_path / "killed" / "metrics.jsonl"
        before = len(metrics.read_text().splitlines()) if metrics.exists() else 0
        wanted = before + chance.randint(1, 3)
        while process.poll() is None and not (
            metrics.exists() and len(metrics.read_text().splitlines()) >= wanted
        ):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    run(*words)
    assert links(tmp_path / "killed") == links(tmp_path / "whole")


@pytest.mark.long
def test_all_processes_end_at_once_where_a_folder_is_refused(rows, toy_release, tmp_path):
    taken = tmp_path / "taken"
    flags = ("--style", "distillation", "--max_steps", 2, "--num_recursive_rounds", 1, "--warmup_steps", 0)
    run(*command("outer", rows, toy_release, taken, *flags))
    for place, more, message in (
        (taken, (), "holds a training"),
        (taken, ("--resume",), "1 processes shared the training, now 2; start 1 again"),
        (taken, ("--resume", "--outer_lr", 1), "outer_lr was 0.0005, now 1.0; give the same value"),
        (rows / "links", (), "rows.json is no folder"),
    ):
        done = run(*command("outer", rows, toy_release, place, *flags, *more), launcher=TWO, status=1)
        [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert message in line
        assert "loading" not in done.stderr  # no model was waited for
        assert "recursivemas/training/" not in done.stderr  # and nobody met a closed connection


@pytest.mark.long
def test_all_processes_end_at_once_where_models_or_rows_are_others(rows, toy_release, tmp_path):
    flags = ("--style", "distillation", "--max_steps", 2, "--num_recursive_rounds", 1, "--warmup_steps", 0)
    run(*command("outer", rows, toy_release, tmp_path, *flags), launcher=TWO)
    fewer = ("--resume", "--num_samples", 8)
    done = run(*command("outer", rows, toy_release, tmp_path, *flags, *fewer), launcher=TWO, status=1)
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "num_rows was 12, now 8" in line
    assert "recursivemas/training/" not in done.stderr


@pytest.mark.long
def test_two_processes_learn_what_one_does_with_twice_the_batch(rows, toy_release, tmp_path):
    flags = ("--style", "distillation", "--max_steps", 3, "--num_recursive_rounds", 2, "--warmup_steps", 0)
    flags = (*flags, "--dtype", "float64", "--release", toy_release)
    run(*command("outer", rows, toy_release, tmp_path / "one", *flags, "--batch_size", 4))
    two = command("outer", rows, toy_release, tmp_path / "two", *flags, "--batch_size", 2)
    assert run(*two, launcher=TWO).stdout.count("[result]") == 1
    for name in ("outer_el.pt", "outer_le.pt"):
        one, two = (torch.load(tmp_path / place / name, weights_only=True) for place in ("one", "two"))
        for key, value in one.items():
            torch.testing.assert_close(two[key], value, rtol=1e-7, atol=1e-9)
    one, two = (last_metrics(tmp_path / place) for place in ("one", "two"))
    norms = [name for name in one if name.startswith("gradient_norm/")]
    assert {"gradient_norm/outer_el", "gradient_norm/outer_el/r2"} < set(norms)
    assert [two[name] for name in norms] == pytest.approx([one[name] for name in norms], rel=1e-7)


@pytest.mark.skipif(find_spec("trackio") is None, reason="trackio is not installed")
def test_trackio_keeps_what_it_is_told_on_this_machine(rows, toy_release, tmp_path):
    flags = ("--style", "distillation", "--role", "expert", "--max_steps", 2, "--log_every", 1)
    words = command("inner", rows, toy_release, tmp_path / "links", *flags, "--log_with", "trackio")
    run(*words, TRACKIO_DIR=str(tmp_path / "kept"))
    with closing(sqlite3.connect(tmp_path / "kept" / "recursivemas.db")) as kept:
        lines = [(name, step, json.loads(line)) for name, step, line in kept.execute(TRACKIO_LINES)]
    assert [(name, step) for name, step, _ in lines] == [("links", 1), ("links", 2)]
    assert all("gradient_norm/expert" in line for _, _, line in lines)


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
def test_wandb_keeps_what_it_is_told_beside_the_links(rows, toy_release, tmp_path):
    flags = ("--style", "distillation", "--role", "expert", "--max_steps", 2, "--log_every", 1)
    words = command("inner", rows, toy_release, tmp_path / "links", *flags, "--log_with", "wandb")
    run(*words, WANDB_MODE="offline")
    [kept] = (tmp_path / "links" / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"gradient_norm/expert" in kept.read_bytes()


@pytest.mark.long
def test_models_and_links_of_ones_own_are_named_as_published(rows, toy_release, tmp_path):
    planner = toy_release / "RecursiveMAS" / "Sequential-Light-Planner-Qwen3-1.7B"
    few = ("--max_steps", 1, "--num_recursive_rounds", 1)
    run(*command("inner", rows, toy_release, tmp_path / "inner", *INNER[:4], "--max_steps", 1))
    named = ("--agent1_model_name_or_path", planner, "--agent2_inner_aligner_path", tmp_path / "inner")
    run(*command("outer", rows, toy_release, tmp_path / "outer", *few, "--mas_design", "sequential", *named))
    arguments = json.loads((tmp_path / "outer" / "train_args.json").read_text())
    assert arguments["models"]["planner"].endswith("Planner-Qwen3-1.7B")
    source = arguments["source"]
    assert (source["dataset_name"], source["dataset_split"]) == (str(rows), None)
    assert source["dataset_sha256"] == hashlib.sha256(rows.read_bytes()).hexdigest()
    assert source["models"] == [f"agent1={planner}"]
    assert source["ckpt_override"] == [f"agent2={tmp_path / 'inner'}"]
    assert arguments["num_processes"] == 1
    folder = tmp_path / "outer"
    done = run(
        *("-m", "recursivemas", "run", "--release", toy_release, "--device", "cpu", "--max_new_tokens", 4),
        *("--dataset_path", "dataset/demo_math500.jsonl", "--num_samples", 1, "--latent_length", 2),
        *("--ckpt_override", f"outer={folder}", "--ckpt_override", f"critic={tmp_path / 'inner'}"),
        *("--output_dir", tmp_path / "run"),
    )
    assert "[result]" in done.stdout


@pytest.mark.long
def test_a_command_that_cannot_work_says_what_is_missing(rows, toy_release, tmp_path):
    for words, message in (
        (["train", "inner", "--dataset_name", rows, "--save_dir", tmp_path], "give --role ROLE"),
        (["train", "outer", "--save_dir", tmp_path], "give --dataset_name"),
        (["train", "outer", "--dataset_name", rows], "give --save_dir"),
        (
            ["train", "outer", "--dataset_name", rows, "--save_dir", tmp_path, "--messages", "words"],
            "there is no|invalid choice|one of teacher, rollout",
        ),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "recursivemas", *map(str, words)],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
        )
        assert done.returncode == 2
        assert any(part in done.stderr for part in message.split("|"))

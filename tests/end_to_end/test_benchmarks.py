"""Every benchmark from a file in its published schema, through the toy release, to a graded run folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.cli.main import run_main

pytestmark = pytest.mark.process

DATASET = Path(__file__).parents[2] / "dataset"
SMALL = ["--device", "cpu", "--num_recursive_rounds", "1", "--latent_length", "2", "--max_new_tokens", "6"]
OPTIONS = ["A. Red", "B. Green", "C. Blue", "D. Grey"]
ROWS = {
    "math500": {"problem": "What is 6 * 7?", "answer": "42"},
    "aime25": {"problem": "What is 6 * 7?", "answer": "42"},
    "aime26": {"problem": "What is 6 * 7?", "answer": "42"},
    "medqa": {"question": "Which colour is the sky?", "options": OPTIONS, "answer": "Blue"},
    "gpqa": {
        "Question": "Which colour is the sky?",
        "Correct Answer": "Blue",
        **{f"Incorrect Answer {n}": colour for n, colour in enumerate(("Red", "Green", "Grey"), start=1)},
    },
    "bamboogle": {"Question": "Which colour is the sky of Paris?", "Answer": "blue"},
    "hotpotqa": {"question": "Which colour is the sky of Paris?", "answer": "blue"},
}


def run(release: Path, dataset: str, path: Path, folder: Path, *flags: str) -> list[dict]:
    searches = dataset in BENCHMARKS and BENCHMARKS[dataset].needs_tool
    style = "deliberation" if searches else "distillation"
    files = ["--release", str(release), "--dataset_path", str(path), "--output_dir", str(folder)]
    if dataset not in BENCHMARKS:
        files = ["--release", str(release), "--output_dir", str(folder)]
    assert run_main([*SMALL, "--style", style, "--dataset", dataset, *files, *flags]) == 0
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("dataset", ROWS)
def test_a_text_benchmark_is_graded_side_by_side(dataset, toy_release, tmp_path, capsys):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([ROWS[dataset], ROWS[dataset]]))
    samples = run(toy_release, dataset, path, tmp_path / "run")
    rollouts = 10 if dataset.startswith("aime") else 1
    assert [(sample["id"], sample["rollout"]) for sample in samples] == [
        (question, rollout) for question in ("0", "1") for rollout in range(rollouts)
    ]
    for sample in samples:
        assert tuple(sample["verdicts"]) == BENCHMARKS[dataset].graders
        assert all(isinstance(verdict["correct"], bool) for verdict in sample["verdicts"].values())
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("[result] pass@10=" if rollouts == 10 else "[result] accuracy=")


@pytest.mark.parametrize(
    ("dataset", "file"),
    [("mbppplus", "demo_mbppplus.jsonl"), ("livecodebench", "demo_livecodebench.jsonl")],
)
def test_a_code_benchmark_runs_the_code_in_a_sandbox(dataset, file, toy_release, tmp_path, capsys):
    flags = ("--num_samples", "2", "--allow_unisolated_code")
    samples = run(toy_release, dataset, DATASET / file, tmp_path / "run", *flags)
    assert len(samples) == 2
    for sample in samples:
        assert sample["retried"], "six tokens hold no code block"
        assert sample["verdicts"]["release"]["verdict"]
    metric = {"mbppplus": "accuracy", "livecodebench": "pass@1"}[dataset]
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"[result] {metric}=")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["graders"]["code_isolation"]
    assert config["settings"]["temperature"]["origin"] == "recommended"


def test_code_questions_use_the_code_links(toy_release, tmp_path, capsys):
    path = DATASET / "demo_mbppplus.jsonl"
    files = ["--release", str(toy_release), "--dataset_path", str(path), "--dry_run"]
    assert run_main([*SMALL, "--style", "sequential_light", "--dataset", "mbppplus", *files]) == 0
    out = capsys.readouterr().out
    assert "Planner-Critic-Outerlink(code).pt" in out
    assert "Planner-Critic-Outerlink(math).pt" not in out


def test_a_file_of_ones_own_is_a_dataset(toy_release, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("question,answer\nWhat is 2 + 2?,4\nWhat is 3 + 3?,6\n")
    samples = run(toy_release, str(path), path, tmp_path / "run")
    assert [sample["gold"] for sample in samples] == ["4", "6"]
    assert list(samples[0]["verdicts"]) == ["release", "strict", "math_verify"]


def test_a_search_benchmark_needs_a_style_that_searches(toy_release, tmp_path, capsys):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([ROWS["bamboogle"]]))
    flags = ["--style", "mixture", "--dataset", "bamboogle", "--dataset_path", str(path)]
    assert (
        run_main([*SMALL, *flags, "--release", str(toy_release), "--output_dir", str(tmp_path / "run")]) == 2
    )
    assert "deliberation" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_judge_that_cannot_be_asked_is_found_out_first(toy_release, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([ROWS["bamboogle"]]))
    flags = ["--style", "deliberation", "--dataset", "bamboogle", "--dataset_path", str(path)]
    out = ["--output_dir", str(tmp_path / "run"), "--judge_model", "some-model"]
    assert run_main([*SMALL, *flags, *out, "--release", str(toy_release)]) == 2
    assert "OPENAI_API_KEY" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert run_main([*SMALL, "--judge_base_url", "http://127.0.0.1:1/v1", "--release", str(toy_release)]) == 2
    assert "give --judge_model" in capsys.readouterr().err

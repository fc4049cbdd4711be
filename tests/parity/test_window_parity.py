"""The answers to several batches as one stream: the same texts as batch by batch, and no row idles."""

from __future__ import annotations

import json
import random

import pytest

from recursivemas.agents.agent import Agent
from recursivemas.cli.main import run_main
from recursivemas.recursion import answer as answering

pytestmark = [pytest.mark.process, pytest.mark.slow]

NUM_QUESTIONS = 48
BATCH_SIZE = 4


@pytest.fixture
def long_tailed(monkeypatch):
    """Texts end by chance, after about ten tokens, some of them after many more."""
    ends = frozenset(token for token in range(1000) if random.Random(token).random() < 0.1)
    monkeypatch.setattr(Agent, "stop_ids", ends)
    monkeypatch.setattr(answering, "RETRY_TOKENS", 2)


@pytest.mark.usefixtures("long_tailed")
def test_a_whole_run_keeps_all_its_rows_going(toy_release, tmp_path):
    path = tmp_path / "questions.jsonl"
    rows = [{"problem": f"What is {n} + {n}?", "answer": "1"} for n in range(NUM_QUESTIONS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ["--style", "sequential_light", "--device", "cpu", "--release", str(toy_release)]
    flags += ["--dataset_path", str(path), "--dtype", "float64", "--batch_size", str(BATCH_SIZE)]
    flags += ["--mode", "single", "--max_new_tokens", "60"]

    def run(*window: str) -> tuple[list[str], list[int], dict]:
        folder = tmp_path / f"run{len(window)}"
        assert run_main([*flags, *window, "--output_dir", str(folder)]) == 0
        samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
        lengths = [sample["usage"][-1]["generated_tokens"] for sample in samples]
        return (
            [sample["text"] for sample in samples],
            lengths,
            json.loads((folder / "summary.json").read_text()),
        )

    texts, lengths, apart = run("--answer_window", "1")
    streamed, _, together = run()
    assert streamed == texts
    assert max(lengths) > 3 * sum(lengths) / len(lengths), "lengths should have a long tail"
    assert together["writing"]["tokens"] == apart["writing"]["tokens"]
    assert together["writing"]["side_by_side"] == BATCH_SIZE
    assert sum(lengths) < together["writing"]["tokens"] <= sum(lengths) + 2 * NUM_QUESTIONS, "ends count"
    assert together["writing"]["ideal_steps"] == together["writing"]["tokens"] / BATCH_SIZE
    ideal = together["writing"]["ideal_steps"]
    assert ideal <= together["writing"]["steps"] <= 1.15 * ideal
    assert apart["writing"]["steps"] > 1.5 * together["writing"]["steps"]
    seconds = sum(stage["seconds"] for stage in together["stages"])
    assert 0.3 * together["seconds"] < seconds < together["seconds"], "time is counted, and once"

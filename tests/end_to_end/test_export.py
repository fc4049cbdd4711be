"""A run of the toy's agents, and what other tools read of it."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from recursivemas.cli.main import run_main
from recursivemas.runs.files import read_samples

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(toy_release, tmp_path_factory):
    """Two questions, two answers each, two rounds, every message kept in both ways."""
    path = tmp_path_factory.mktemp("runs") / "first"
    flags = ["--style", "distillation", "--device", "cpu", "--release", str(toy_release), "--dataset_path"]
    flags += ["dataset/demo_math500.jsonl", "--num_samples", "2", "--num_recursive_rounds", "2"]
    flags += ["--latent_length", "3", "--max_new_tokens", "4", "--num_rollouts", "2", "--batch_size", "1"]
    assert run_main([*flags, "--save_latents", "--lens", "--output_dir", str(path)]) == 0
    return path


def test_a_run_records_when_turns_and_answers_were(run):
    """One turn after the other, within the launch; questions of one batch at the same time."""
    begun = datetime.fromisoformat(json.loads((run / "config.json").read_text())["launches"][0]["started"])
    samples = read_samples(run)
    for sample in samples:
        moments = [moment for usage in sample.usage for moment in (usage.started, usage.ended)]
        times = [datetime.fromisoformat(moment) for moment in [*moments, sample.recorded]]
        assert begun <= times[0]
        assert times == sorted(times)
        took = (times[-2] - times[-3]).total_seconds()
        assert 0 < took < 600
    first, again, other, _ = samples
    assert first.usage[-1].started == again.usage[-1].started != other.usage[-1].started

"""What users of other harnesses expect: chosen questions, majority votes, metrics as they come, the hub."""

from __future__ import annotations

import shutil
import sys
from functools import partial
from types import ModuleType

import pytest

from tests.support.hub_client import point_client_at
from tests.support.hub_server import HubServer
from tests.support.small_runs import SmallRuns, read

pytestmark = pytest.mark.process


@pytest.fixture
def run(tmp_path, toy_release, capsys):
    return partial(SmallRuns(tmp_path, toy_release, capsys), "--style", "distillation")


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


def test_figures_are_told_as_they_come_and_a_tracker_that_is_down_ends_nothing(run, monkeypatch, caplog):
    lines = []

    class Tracked:
        def log(self, values, step=None):
            lines.append((step, values["accuracy/release"], values["tokens/generated_tokens"]))
            if step == 3:
                raise ConnectionError("gone")

    package = ModuleType("trackio")
    package.init = lambda **told: Tracked()
    monkeypatch.setitem(sys.modules, "trackio", package)
    monkeypatch.setattr("recursivemas.runs.trackers.find_spec", lambda name: package)
    status, _, _, folder = run("--log_with", "trackio", "--batch_size", "1", "--answer_window", "1")
    assert status == 0
    assert [step for step, *_ in lines] == [1, 2, 3], "none after it has failed"
    assert read(folder, "summary.json")["num_samples"] == 5
    assert [message for message in caplog.messages if "is not told of this run any more (gone)" in message]
    samples = read(folder, "samples.jsonl")
    written = [sum(usage["generated_tokens"] for usage in sample["usage"]) for sample in samples]
    assert [tokens for *_, tokens in lines] == [written[0], sum(written[:2]), sum(written[:3])]


@pytest.mark.long
def test_results_are_pushed_and_a_push_that_fails_loses_nothing(run, tmp_path, monkeypatch):
    with HubServer(tmp_path / "hub") as server:
        point_client_at(server.url, tmp_path / "cache", monkeypatch)
        flags = ("--sample_ids", "0-0", "--push_to_hub", "someone/results")
        assert run(*flags)[0] == 2, "without a token nothing begins"
        monkeypatch.setenv("HF_TOKEN", "a-token-that-may-write")
        server.fail("POST */commit/*", 500)
        status, out, err, folder = run(*flags)
        assert status == 2
        assert out.splitlines()[-1].startswith("[result] accuracy=")
        assert read(folder, "summary.json")["num_samples"] == 1
        assert f"Push it later by recursivemas push {folder} someone/results --name run" in err
        server.heal()
        assert run(*flags, "--resume")[0] == 0
        assert (tmp_path / "hub" / "someone" / "results" / "run" / "samples.jsonl").is_file()

"""What is refused before a run begins."""

from __future__ import annotations

import errno
import os

import pytest

from recursivemas.cli.main import run_main

FLAGS = ("--style", "mixture", "--dataset", "gpqa", "--device", "cpu", "--release", "toy-random")


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOENT, errno.EROFS])
def test_a_place_in_which_no_folder_can_be_made_is_refused_with_what_to_do(
    number, tmp_path, capsys, monkeypatch
):
    def refuse(**_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    assert run_main([*FLAGS, "--output_dir", str(tmp_path / "x")]) == 2
    said = capsys.readouterr().err
    assert f"no folder can be made in {tmp_path} ({os.strerror(number)}); give another --output_dir" in said


@pytest.mark.process
def test_a_dry_run_tells_all_that_a_run_would_refuse_at_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("recursivemas.runs.trackers.find_spec", lambda name: None)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    file = tmp_path / "notes.md"
    file.touch()
    refused = {
        "--log_with wandb": "log_with wandb needs its package: pip install wandb",
        "--push_to_hub me/runs": "me/runs needs a token that may write",
        "--push_to_hub a/b/c": "'a/b/c', which is no name of a dataset repository",
        f"--output_dir {file}": f"{file} is no folder; give another --output_dir",
    }
    for words, reason in refused.items():
        assert run_main([*FLAGS, *words.split()]) == 2
        assert reason in capsys.readouterr().err
    given = " ".join(words for words in refused if "me/runs" not in words).split()
    for section in ("_questions", "_agents", "describe_memory"):
        monkeypatch.setattr(f"recursivemas.cli.plan.{section}", lambda _: [])
    assert run_main([*FLAGS, *given, "--dry_run"]) == 2
    _, _, told = capsys.readouterr().err.partition("a run would stop here:\n")
    assert [words for words in refused if "me/runs" not in words and refused[words] not in told] == []

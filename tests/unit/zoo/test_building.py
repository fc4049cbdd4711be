"""Building the toy release: the same bytes every time, and nothing half."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from recursivemas.toy.__main__ import main
from recursivemas.zoo import build, ensure, release
from tests.support.toy_agents import digests


def test_a_build_depends_on_no_global_state_and_leaves_none(toy_release: Path, tmp_path: Path):
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    torch.set_default_dtype(torch.float64)
    try:
        other = build(tmp_path / "other")
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert random.getstate() == python_state
    assert torch.is_grad_enabled()
    assert digests(other) == digests(toy_release)


@pytest.mark.process
@pytest.mark.long
def test_two_processes_fill_the_cache_at_once_with_the_same_bytes(toy_release: Path, tmp_path: Path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", "from recursivemas.zoo import ensure; print(ensure())"],
            env={**os.environ, "RECURSIVEMAS_CACHE": str(tmp_path), "OMP_NUM_THREADS": threads},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for threads in ("1", "3")
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    folders = {stdout.strip() for stdout, _ in outputs}
    assert folders == {str(path) for path in tmp_path.iterdir()}
    assert len(folders) == 1
    assert digests(Path(folders.pop())) == digests(toy_release)
    assert any("building the toy release" in stderr for _, stderr in outputs)


def test_ensure_yields_to_a_process_that_was_faster(toy_release: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("RECURSIVEMAS_CACHE", str(tmp_path))

    def write_while_another_finishes(root: Path) -> Path:
        shutil.copytree(toy_release, winner)
        return shutil.copytree(toy_release, root)

    winner = tmp_path / toy_release.name
    monkeypatch.setattr(release, "write_release", write_while_another_finishes)
    assert ensure() == winner
    assert list(tmp_path.iterdir()) == [winner]
    monkeypatch.setattr(release, "write_release", pytest.fail)
    assert ensure() == winner


def test_ensure_says_where_to_go_when_the_cache_cannot_be_written(tmp_path: Path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RECURSIVEMAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="set RECURSIVEMAS_CACHE to a folder that can be written"):
        ensure()


def test_build_refuses_a_folder_with_other_things(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(FileExistsError, match="neither an empty folder nor a toy release"):
        build(tmp_path)
    with pytest.raises(FileExistsError, match="neither an empty folder nor a toy release"):
        build(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"


def test_an_interrupted_build_leaves_nothing_half(toy_release: Path, tmp_path: Path, monkeypatch):
    def interrupt(root: Path) -> None:
        root.mkdir()
        (root / "half").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(release, "write_release", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    shutil.copytree(toy_release, tmp_path / "old")
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "old")
    assert digests(tmp_path / "old") == digests(toy_release)
    assert list(tmp_path.iterdir()) == [tmp_path / "old"]


def test_the_command_replaces_an_older_toy_release(toy_release: Path, tmp_path: Path, monkeypatch, capsys):
    old = tmp_path / "old"
    old.mkdir()
    (old / release.MARKER).write_text("{}")
    (old / "left-over").touch()
    monkeypatch.setattr(release, "write_release", lambda root: shutil.copytree(toy_release, root))
    assert main(["build", str(old)]) == 0
    assert capsys.readouterr().out.strip() == str(old)
    assert digests(old) == digests(toy_release)
    (tmp_path / "other").touch()
    with pytest.raises(SystemExit, match="2"):
        main(["build", str(tmp_path)])
    assert "neither an empty folder nor a toy release" in capsys.readouterr().err

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

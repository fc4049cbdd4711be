"""What a command that the disk stops says: what to do, by what it writes and goes on with."""

from __future__ import annotations

import errno

import pytest

from recursivemas.cli import main as cli
from recursivemas.report import view


@pytest.fixture
def failing(monkeypatch):
    def fail_with(number):
        def fail(_arguments):
            raise OSError(number, "no luck", "somewhere/file")

        monkeypatch.setattr(cli, "_run", fail)
        monkeypatch.setattr(cli.training, "run", lambda arguments, kind: fail(arguments))
        monkeypatch.setattr(view, "run", fail)

    return fail_with


@pytest.mark.parametrize(
    ("words", "number", "advice"),
    [
        (["run"], errno.ENOSPC, "with --resume"),
        (["run"], errno.EACCES, "--output_dir"),
        (["train", "inner"], errno.EROFS, "--save_dir"),
        (["run"], errno.EIO, ""),
        (["view", "runs/first", "-o", "page.html"], errno.EACCES, ""),
        (["view", "runs/first", "-o", "page.html"], errno.ENOSPC, ""),
    ],
)
def test_advice_names_a_flag_that_the_command_has(failing, capsys, words, number, advice):
    failing(number)
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert "somewhere/file" in told
    assert advice in told
    assert ("--" in told) == bool(advice)

"""The command line's first step, where nothing is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]


def test_where_nothing_is_installed_a_line_says_how_to_get_it():
    done = subprocess.run(
        [sys.executable, "-S", "run.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert " is not installed for " in done.stderr
    assert done.stderr.startswith("error: ")
    for way in ("source .venv/bin/activate", "make demo", "pip install"):
        assert way in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_torch_a_run_says_how_to_get_it_and_a_listing_needs_none():
    code = (
        "import sys; sys.modules['torch'] = None; from recursivemas.cli import start; "
        "sys.argv = ['recursivemas', *{words!r}]; sys.exit(start.main())"
    )
    for words, status in ((["styles"], 0), (["run", "--release", "toy", "--device", "cpu"], 2)):
        command = [sys.executable, "-c", code.format(words=words)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert ("error: torch is not installed for " in done.stderr) == bool(status)

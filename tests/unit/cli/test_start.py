"""The command line's first step, where nothing is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_without_torch_a_line_says_how_to_get_it():
    done = subprocess.run(
        [sys.executable, "-S", "run.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: torch is not installed for ")
    for way in ("source .venv/bin/activate", "make demo", "pip install"):
        assert way in done.stderr
    assert done.stderr.count("\n") == 1

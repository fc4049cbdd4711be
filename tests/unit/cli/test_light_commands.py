"""To look at runs, and to ask what there is, takes none of the seconds that torch takes to import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.run_folders import write_run

pytestmark = pytest.mark.process

SCRIPT = """
import sys


class Refusal:  # `None` in `sys.modules` would do, if scipy did not look there
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "datasets"):
            raise ImportError(name)


sys.meta_path.insert(0, Refusal())
from recursivemas.cli.main import main, run_main
for arguments in {commands!r}:
    try:
        status = (run_main if arguments == ["--help"] else main)(arguments)
    except SystemExit as end:
        status = end.code
    assert status == 0, arguments
"""


def test_commands_that_run_no_model_need_no_torch(tmp_path):
    first, second = (str(write_run(tmp_path / name, [True, False])) for name in ("a", "b"))
    axes = {"mode": ["latent"], "links": ["trained", "zero"], "latent_length": [8]}
    grid = {**axes, "variants": {"loaded": []}, "num_recursive_rounds": [3]}
    for links in axes["links"]:
        write_run(tmp_path / "ablation" / "cells" / f"{links}-length8-rounds3", [True, False], links=links)
    record = {**grid, "full": "trained-length8-rounds3"}
    (tmp_path / "ablation" / "ablation.json").write_text(json.dumps(record))
    commands = [
        ["ablate", str(tmp_path / "ablation"), "--no_plots"],
        ["--help"],
        ["--version"],
        ["styles"],
        ["datasets"],
        ["show", first],
        ["compare", first, second],
        ["export", first, "--to", "csv", "-o", str(tmp_path / "run.csv")],
        ["report", first, second, "-o", str(tmp_path / "report"), "--no_plots"],
    ]
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(commands=commands)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "math500" in result.stdout

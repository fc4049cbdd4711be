"""Every command of docs/ablations.md runs, as it stands there but for how long it takes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from recursivemas.cli.main import main
from tests.support.pupils import ROWS

pytestmark = [pytest.mark.process, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ablations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHORTER = {"--max_steps": "1", "--num_samples": "2", "--max_new_tokens": "2"}
SAY = 'recursivemas() { printf "%q " "$@"; echo; }\n'


def commands(block: str) -> list[list[str]]:
    """The commands that a shell would run, loops and all, each as its words."""
    said = subprocess.run(["bash", "-euc", SAY + block], capture_output=True, text=True, check=True)
    found = [shlex.split(line) for line in said.stdout.splitlines()]
    for words in found:
        for flag in SHORTER.keys() & set(words):
            words[words.index(flag) + 1] = SHORTER[flag]
    return found


@pytest.mark.parametrize("block", BLOCKS, ids=["grid", "variants", "rounds"])
def test_the_commands_run(block, tmp_path, monkeypatch, toy_release, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dataset").symlink_to(ROOT / "dataset")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    found = commands(block)
    assert [words[0] for words in found].count("ablate") >= 1
    for words in found:
        words = [str(toy_release) if word == "toy-random" else word for word in words]
        assert main(words) == 0, words
    printed = capsys.readouterr().out
    if "train outer" in block:
        assert re.search(r"^(one_layer|r3) ", printed, re.MULTILINE), "a row a variant"
    for name in ("ablation.json", "ablation.md", "table.tex", "figures.csv", "figures.json", "accuracy.svg"):
        assert list(tmp_path.glob(f"runs/*/{name}")), name
        assert name in PAGE

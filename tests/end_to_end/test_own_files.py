"""Files of a user's own are read once in a run: what is checked is what is run."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from recursivemas.cli.main import run_main
from recursivemas.prompts import load_pack
from recursivemas.styles import DISTILLATION

pytestmark = pytest.mark.process

opened: Counter[Path] = Counter()
"""How often each file was opened; one hook for all tests, as none can be taken away again."""


def note(event: str, arguments: tuple) -> None:
    if event == "open" and isinstance(arguments[0], str | Path):
        opened[Path(arguments[0])] += 1


@pytest.fixture(scope="module", autouse=True)
def hook() -> None:
    sys.addaudithook(note)


@pytest.fixture
def own(tmp_path) -> dict[str, Path]:
    """A style, questions and a prompt pack, by flag."""
    files = {
        "style": tmp_path / "duo.yaml",
        "dataset": tmp_path / "mine.jsonl",
        "prompts": tmp_path / "pack.yaml",
    }
    style = {
        "agents": [
            {"role": agent.role, "repo": agent.repo, "prompt": agent.prompt} for agent in DISTILLATION.agents
        ],
        "links": [
            {"source": link.source, "target": link.target, "slot": link.slot, "key": link.key}
            | ({"feedback": True} if link.feedback else {})
            for link in DISTILLATION.links
        ],
        "outer_repo": DISTILLATION.outer_repo,
        "link_sets": list(DISTILLATION.link_sets),
    }
    files["style"].write_text(yaml.safe_dump(style))
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(3)]
    files["dataset"].write_text("".join(json.dumps(row) + "\n" for row in rows))
    load_pack().save(files["prompts"])
    return files


@pytest.mark.parametrize(
    "more", [("--dry_run",), ("--latent_length", "2"), ("--latent_length", "-1")], ids=["dry", "run", "sweep"]
)
def test_each_is_opened_once(more, own, tmp_path, toy_release):
    flags = [word for name, path in own.items() for word in (f"--{name}", str(path))]
    flags += ["--release", str(toy_release), "--device", "cpu", "--num_recursive_rounds", "1"]
    flags += ["--max_new_tokens", "3", "--batch_size", "2", "--output_dir", str(tmp_path / "run"), *more]
    opened.clear()
    assert run_main(flags) == 0
    assert {name: opened[path] for name, path in own.items()} == dict.fromkeys(own, 1)

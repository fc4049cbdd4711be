"""Releases that somebody broke, through the command line: an error in words each time, never a traceback."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from recursivemas.cli.main import run_main
from recursivemas.prompts import guarded
from tests.unit.agents.test_checkpoint import DAMAGE, LATE, write
from tests.unit.prompts.test_chat import ENDLESS, MISBEHAVING
from tests.unit.test_links import HOSTILE

pytestmark = pytest.mark.process

SOLVER = "Sequential-Light-Solver-Qwen2.5-Math-1.5B"
LINKS = "Sequential-Light-Outerlinks"
DEEP = "[" * 200_000

Damage = Callable[[Path], object]
CASES: dict[str, tuple[str, Damage]] = {
    **{f"model: {name}": (SOLVER, damage) for name, (damage, _) in {**DAMAGE, **LATE}.items()},
    **{
        f"inner link: {name}": (SOLVER, lambda folder, save=save: save(folder / "adapter(math).pt"))
        for name, (save, _) in HOSTILE.items()
    },
    **{
        f"outer link: {name}": (
            LINKS,
            lambda folder, save=save: save(folder / "Critic-Solver-Outerlink(math).pt"),
        )
        for name, (save, _) in HOSTILE.items()
    },
    **{
        f"template: {name}": (SOLVER, write("chat_template.jinja", template))
        for name, (template, _) in MISBEHAVING.items()
    },
    "template: not text": (SOLVER, write("chat_template.jinja", b"\xff\xfe")),
    "inner manifest: deep": (SOLVER, write("innerlink_config.json", DEEP)),
    "inner manifest: a list": (SOLVER, write("innerlink_config.json", "[]")),
    "inner manifest: elsewhere": (
        SOLVER,
        write("innerlink_config.json", '{"tasks": {"math": {"adapter.pt": "../../x.pt"}}}'),
    ),
    "inner variant: deep": (SOLVER, write("adapter_config.json", DEEP)),
    "inner variant: a number": (SOLVER, write("adapter_config.json", '{"adapter_type": 5}')),
    "inner variant: unknown": (SOLVER, write("adapter_config.json", '{"adapter_type": "big"}')),
    "outer manifest: deep": (LINKS, write("outerlink_config.json", '{"a":' * 200_000)),
    "outer manifest: a number": (LINKS, write("outerlink_config.json", "5")),
    "outer manifest: no lists": (LINKS, write("outerlink_config.json", '{"tasks": {"math": 5}}')),
    "outer manifest: dimensions": (
        LINKS,
        write(
            "outerlink_config.json",
            '{"adapters": [{"legacy_key": "outer_12", "in_dim": 10000,'
            ' "filename": "Planner-Critic-Outerlink(math).pt"}]}',
        ),
    ),
    "outer manifest: not text": (LINKS, write("outerlink_config.json", b"\x80")),
}


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("questions") / "one.jsonl"
    path.write_text('{"problem": "1 + 1?", "answer": "2", "unique_id": "one"}\n')
    return [
        *("--style", "sequential_light", "--device", "cpu", "--dataset_path", str(path)),
        *("--num_recursive_rounds", "1", "--latent_length", "1", "--max_new_tokens", "1"),
    ]


@pytest.mark.parametrize("case", CASES)
def test_a_broken_release_is_an_error_in_words(
    flags: list[str],
    toy_release: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    case: str,
) -> None:
    if case.removeprefix("template: ") in ENDLESS:
        monkeypatch.setattr(guarded, "CPU_S", 1)
    repo, damage = CASES[case]
    home = tmp_path / "release" / "RecursiveMAS"
    home.mkdir(parents=True)
    for folder in (toy_release / "RecursiveMAS").glob("Sequential-Light-*"):
        if folder.name == repo:
            shutil.copytree(folder, home / repo)
        else:
            (home / folder.name).symlink_to(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        damage(home / repo)
    status = run_main([*flags, "--release", str(home.parent), "--output_dir", str(tmp_path / "run")])
    said = capsys.readouterr().err
    assert status == 2, said
    assert said.splitlines()[-1].startswith("error: ")
    assert repo in said, "the place is named"
    assert "Traceback" not in said
    for misleading in ("weights_only", "delete the folder"):
        assert misleading not in said

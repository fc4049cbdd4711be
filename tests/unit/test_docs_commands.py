"""What README and docs have users type is understood: commands, flags, files that are named, imports."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from recursivemas.cli import main as cli
from recursivemas.styles import load_style
from recursivemas.toy.__main__ import _parser as toy_parser

pytestmark = [pytest.mark.process, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(
    r"`((?:recursivemas|torchrun|accelerate|make|python (?:run\.py|\w+/\w+\.py|-m))(?: [^`]*)?)`"
)
SHELL = """\
command_not_found_handle() { printf '%q ' "$@"; echo; }
source() { :; }
cd() { :; }
PATH=/nowhere
"""
"""A shell that says what it would run, loops and variables and all."""
OURS = re.compile(r"(dataset|docs|tests|benchmarks|train|notebooks)/|requirements")
"""How names of files begin that have to be there; others are the user's."""
BROUGHT = {"dataset/medqa.json"}
OTHERS = {"apt", "apt-get", "cat", "git", "inspect", "jupyter", "pip", "ray", "ssh"}
"""Programs whose flags are not ours."""


def typed(shell: str, folder: Path) -> list[list[str]]:
    """The commands of some shell lines, each as its words."""
    shell = SHELL + shell.replace(".venv/bin/", "")
    said = subprocess.run(["bash", "-u", "-c", shell], capture_output=True, text=True, check=True, cwd=folder)
    assert not said.stderr, said.stderr
    return [shlex.split(line) for line in said.stdout.splitlines()]


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(page.read_text(encoding="utf-8")) if name == language]


def mentioned(page: Path) -> list[list[str]]:
    """Commands in a page's sentences. Where one is only named, its help has to be there."""
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    found = [[word for word in text.split() if word != "..."] for text in INLINE.findall(prose)]
    return [
        words if any(word.startswith("-") for word in words[3:]) else [*words, "--help"] for words in found
    ]


def understand(words: list[str]) -> None:
    """Raise AssertionError, or exit, for words that nothing would understand."""
    program, *rest = words
    if program in ("torchrun", "accelerate"):
        begin = next((n for n, word in enumerate(rest) if word == "-m" or word.endswith(".py")), None)
        return None if begin is None else understand(["python", *rest[begin:]])
    for word in rest:
        if OURS.match(word) and word not in BROUGHT:
            assert list(ROOT.glob(word)), f"there is no {word}"
    for flag, word in pairwise(rest):
        if flag == "--style" and word.endswith(".yaml"):
            load_style(ROOT / word)
    if program == "make":
        return _make(rest)
    if program == "recursivemas":
        return _read(cli.main, rest)
    if program.endswith("python") and rest:
        return _python(*rest)
    if program == "pip":
        _extras(rest)
    assert program in OTHERS, f"what is {program!r}?"


def _read(entry: Callable[[list[str]], object], words: list[str]) -> None:
    try:
        entry(words)
        status = 0
    except SystemExit as ended:
        status = ended.code
    assert status in (0, None), words


def _make(words: list[str]) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {word for word in words if "=" not in word and word != "--help"} <= set(targets), words


def _extras(words: list[str]) -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extras in re.findall(r"(?:^|\s)(?:\.|recursivemas)\[([\w,]+)\]", " ".join(words)):
        assert set(extras.split(",")) <= set(known["optional-dependencies"]), words


def _python(script: str, *rest: str) -> None:
    if script == "-m":
        module, *words = rest
        if module in ("recursivemas", "recursivemas.toy"):
            _read(cli.main if module == "recursivemas" else toy_parser().parse_args, words)
        else:
            assert module in ("pip", "pytest", "sphinx", "jupyter"), f"what is {module!r}?"
    elif script == "run.py":
        _read(cli.run_main, list(rest))
    elif kind := re.fullmatch(r"train/train_(inner|outer)\.py", script):
        _read(lambda words: cli.train_main(kind[1], words), list(rest))
    else:
        source = (ROOT / script).read_text(encoding="utf-8")
        flags = {word.partition("=")[0] for word in rest if word.startswith("--") and word != "--help"}
        assert not {flag for flag in flags if f'"{flag}"' not in source}, (script, flags)


@pytest.fixture(autouse=True)
def nothing_is_run(monkeypatch):
    monkeypatch.setattr(cli, "_guarded", lambda *_: 0)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_understood(page, tmp_path, capsys):
    for words in [*typed("\n".join(blocks(page, "bash")), tmp_path), *mentioned(page)]:
        understand(words)


@pytest.mark.parametrize(
    "command",
    [
        "python run.py --no_such_flag",
        "torchrun --nproc_per_node 2 run.py --style mixture --no_such_flag 1",
        "recursivemas no_such_command",
        "python -m recursivemas.toy rows DIR --style no_such_style",
        "python train/train_inner.py --no_such_flag",
        "python benchmarks/rollout.py --no-such-flag",
        "recursivemas run --dataset dataset/no_such_file.jsonl",
        "make no-such-target",
        "pip install -e '.[no_such_extra]'",
        "no_such_program",
    ],
)
def test_what_is_not_understood_fails(command, tmp_path, capsys):
    (words,) = typed(command, tmp_path)
    with pytest.raises(AssertionError):
        understand(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_python_examples_import_is_there(page):
    for code in blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                lost = [name.name for name in node.names if not hasattr(module, name.name)]
                assert lost == [], (page.name, node.module)

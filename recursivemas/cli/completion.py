"""`recursivemas completion SHELL`: a script with all commands and flags, for a shell to complete them by.

shtab writes it once; while one types, nothing of the library is started, as it would be with argcomplete.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.errors import UserError
from recursivemas.styles import PUBLISHED_STYLES

SHELLS = ("bash", "zsh", "fish")
WORDS = {"style": tuple(PUBLISHED_STYLES), "dataset": tuple(BENCHMARKS)}
"""What flags take besides files, by name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `recursivemas completion`."""
    parser.description = (
        "Print a script that completes commands, flags and their values. For bash: "
        "`recursivemas completion bash > ~/.local/share/bash-completion/completions/recursivemas`; "
        "docs/doctor.md has the others."
    )
    parser.add_argument("shell", choices=SHELLS, metavar="|".join(SHELLS), help="for which shell")


def run(arguments: dict[str, Any], make_parser: Callable[[], argparse.ArgumentParser]) -> None:
    """Print the script for the parser of all commands. Raises UserError where shtab is not installed."""
    try:
        import shtab
    except ImportError as error:
        raise UserError("completion needs the package shtab: pip install shtab") from error
    parser = make_parser()
    for action in _actions(parser):
        if words := WORDS.get(action.dest):
            action.choices = words  # to be offered: the parser that reads argv takes files, too
        elif action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, arguments["shell"]))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Those of a parser and of its commands'."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from _actions(one)

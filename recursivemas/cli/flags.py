"""Flags from settings: one an option, listed by group, and what the parser says of others."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Sequence
from dataclasses import fields
from functools import partial
from types import NoneType
from typing import Any, NoReturn, get_args, get_type_hints

from recursivemas import __version__
from recursivemas.errors import did_you_mean
from recursivemas.options import Option, iterate_options
from recursivemas.settings import RunSettings

PUSHING = ("push_to_hub", "push_samples", "push_public")
"""Settings that `run` alone reads."""
LONG_FLAG = re.compile(r"--[A-Za-z][\w-]*")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in a line, with the flag or command that may have been meant.

    A flag's beginning is not the flag: what it stands for would change with the next flag that is added.
    Hyphens in flags are underscores: `--max-new-tokens` is `--max_new_tokens`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        self.set_defaults(parser=self)

    def read(self, argv: Sequence[str]) -> dict[str, Any]:
        """The flags and their values by name, those of the command that was given; exits on bad ones."""
        arguments, rest = self.parse_known_args([with_underscores(word) for word in argv])
        values = vars(arguments)
        parser = values.pop("parser")
        if rest:
            parser.refuse(rest)
        return values

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """Exit because of words that nothing reads."""
        flags = [word.partition("=")[0] for word in words if word.startswith("-")]
        if not flags:
            self.error(f"{words[0]!r} is not understood: no flag stands before it")
        known = [flag for flag in self._option_string_actions if flag.startswith("--")]
        self.error(f"there is no flag {flags[0]}{did_you_mean(flags[0], known)}")

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"argument (.+?): invalid choice: '([^']*)' \((?:choose from|maybe)", message)
        meant = did_you_mean(unknown[2], self._choices_of(unknown[1])) if unknown else ""
        self.exit(2, f"error: {message}{meant}\n`{self.prog} --help` lists what there is\n")

    def _choices_of(self, name: str) -> list[str]:
        """What is accepted by the flag or command that argparse's messages call so."""
        return [
            str(choice)
            for action in self._actions
            if name in ("/".join(action.option_strings), action.metavar, action.dest)
            for choice in action.choices or ()
        ]


def with_underscores(word: str) -> str:
    """A flag spelled with hyphens as the settings spell it; other words as they are."""
    flag, equals, value = word.partition("=")
    return f"--{flag[2:].replace('-', '_')}{equals}{value}" if LONG_FLAG.fullmatch(flag) else word


def add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=f"recursivemas {__version__}")


def add_run_arguments(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """One flag a setting, but for those `without` which a command does.

    Absent flags stay absent, so that an explicit value is told from a default.
    """
    for part in fields(RunSettings):
        kind = get_type_hints(RunSettings)[part.name]
        group = parser.add_argument_group(kind.__doc__)
        for option in iterate_options(kind):
            if option.name in without:
                continue
            group.add_argument(
                f"--{option.name}", default=argparse.SUPPRESS, help=help_text(option), **argument(option)
            )


def help_text(option: Option) -> str:
    text = option.metadata["help"].replace("%", "%%")
    if option.metadata.get("recommended"):
        return f"{text} (default: what is recommended for the style and dataset, else {option.default})"
    return text if option.default in (None, False, ()) else f"{text} (default: {option.default})"


def argument(option: Option) -> dict[str, Any]:
    """How argparse reads an option of that type."""
    kind = option.kind
    if kind is bool:
        return {"nargs": "?", "const": True, "type": _read_bool, "metavar": "BOOL"}
    if kind == tuple[str, ...]:
        return {"action": Append, "metavar": option.metadata.get("metavar", "KEY=PATH")}
    if words := option.metadata.get("words"):
        return {"type": partial(_read_number, words=words), "metavar": "|".join(["N", *words])}
    plain = next((one for one in get_args(kind) if one is not NoneType), kind)
    if choices := option.metadata.get("choices"):
        return {"choices": choices, "metavar": "|".join(choices)}
    return {"type": plain, "metavar": {str: "TEXT", int: "N", float: "X"}[plain]}


class Append(argparse.Action):
    """Collects a repeated flag into a tuple, starting from none."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, (*getattr(namespace, self.dest, ()), values))


def _read_number(text: str, words: Sequence[str]) -> int | str:
    """A whole number, or a word that may stand for one."""
    if text in words:
        return text
    try:
        return int(text)
    except ValueError:
        message = f"{text!r} is neither a whole number nor {', '.join(words)}"
        raise argparse.ArgumentTypeError(message) from None


def _read_bool(text: str) -> bool:
    """A switch may stand alone or, as in scripts for the release, take a value."""
    values = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false; use 1 or 0")
    return values[text.lower()]

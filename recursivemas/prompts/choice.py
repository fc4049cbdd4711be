"""When a question counts as a choice question: it has lines that start with option letters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from recursivemas.errors import UserError


@dataclass(frozen=True, kw_only=True)
class ChoiceRule:
    r"""Finds lettered lines in a question's text.

    `option` is a regular expression that matches the start of one option and captures its letter (one group
    for each alternative). Letters count in upper case. A question has lettered lines when all letters of
    `needs` are among them and at least `at_least` count: different letters, or, with `count_repeats`, lines.
    With `in_order` the needed letters have to come one after the other. `trust_declared` says what becomes of
    a question that a benchmark declares a choice question although it has no lettered lines: true keeps it
    one.
    """

    option: str
    needs: str = "AB"
    at_least: int = 1
    count_repeats: bool = False
    in_order: bool = False
    trust_declared: bool = True

    def __post_init__(self) -> None:
        try:
            groups = self._pattern.groups
        except re.error as error:
            raise UserError(f"option {self.option!r} is no regular expression: {error}") from error
        if groups < 1:
            raise UserError(
                f"option {self.option!r} captures no letter; put the letter in a group, as in ([A-Z])"
            )
        if self.at_least < 1:
            raise UserError(f"at_least is {self.at_least}; a choice question has 1 or more lettered lines")
        if not re.fullmatch(r"[A-Z]*", self.needs):
            raise UserError(f"needs is {self.needs!r}; write the needed letters in upper case, such as AB")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.option)

    def letters(self, text: str) -> list[str]:
        """The letters of all lettered lines, in order, in upper case."""
        return [match[match.lastindex or 1].upper() for match in self._pattern.finditer(text)]

    def matches(self, text: str) -> bool:
        found = self.letters(text)
        count = len(found) if self.count_repeats else len(set(found))
        if count < self.at_least or not set(self.needs) <= set(found):
            return False
        return not self.in_order or _is_subsequence(self.needs, found)


def read_choice_rule(data: Any, where: str) -> ChoiceRule:
    """The rule in plain data, as a pack's YAML file holds it; `where` says in errors where it stands."""
    types = {spec.name: spec.type for spec in fields(ChoiceRule)}
    if not isinstance(data, Mapping):
        raise UserError(f"{where} has to be a mapping with the entry 'option', not {data!r}")
    for key, value in data.items():
        if key not in types:
            raise UserError(f"{where} has the unknown entry {key!r}; known are {', '.join(types)}")
        if type(value).__name__ != types[key]:
            raise UserError(f"{where}.{key} is {value!r}; it has to be of type {types[key]}")
    if "option" not in data:
        raise UserError(f"{where} has to be a mapping with the entry 'option', not {dict(data)!r}")
    try:
        return ChoiceRule(**data)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def load_choice_rule(path: str | Path) -> ChoiceRule:
    """The rule in a YAML file of its own, which holds the entries of ChoiceRule and at least `option`."""
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"choice rule {str(path)!r} is no file; give a YAML file with at least `option: REGEX`"
        )
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"choice rule {path} is not valid YAML: {error}") from error
    return read_choice_rule(data, f"choice rule {path}")


def _is_subsequence(wanted: str, letters: list[str]) -> bool:
    rest = iter(letters)
    return all(letter in rest for letter in wanted)

"""When a question counts as a choice question: it has lines that start with option letters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from recursivemas.errors import UserError
from recursivemas.files.own import parse_yaml, read_text
from recursivemas.values import NO_OTHERS, Flag, Text, Whole, read_as


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

    __pydantic_config__: ClassVar = NO_OTHERS

    option: Text
    needs: Text = "AB"
    at_least: Whole = 1
    count_repeats: Flag = False
    in_order: Flag = False
    trust_declared: Flag = True

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


def load_choice_rule(path: str | Path) -> ChoiceRule:
    """The rule in a YAML file of its own, which holds the entries of ChoiceRule and at least `option`."""
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"choice rule {str(path)!r} is no file; give a YAML file with at least `option: REGEX`"
        )
    where = f"choice rule {path}"
    return read_as(ChoiceRule, parse_yaml(read_text(path, where), where), where)


def _is_subsequence(wanted: str, letters: list[str]) -> bool:
    rest = iter(letters)
    return all(letter in rest for letter in wanted)

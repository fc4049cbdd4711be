"""Lettered lines."""

from pathlib import Path

import pytest

from recursivemas.errors import UserError
from recursivemas.prompts.choice import ChoiceRule, load_choice_rule

RULE = ChoiceRule(option=r"(?m)^\s*([A-Z])[.):-]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Which?\nA. 1\nB. 2", True),
        ("Which?\n  A) 1\n  B) 2\n  C) 3", True),
        ("A: 1\nB- 2", True),
        ("B. 2\nA. 1", True),
        ("Which?\nA. 1\nC. 2", False),
        ("Is A. or B. right?", False),
        ("Which?\nA 1\nB 2", False),
        ("", False),
    ],
)
def test_the_default_rule_wants_lines_a_and_b(text: str, expected: bool) -> None:
    assert RULE.matches(text) is expected


def test_counts_letters_or_lines_and_may_want_an_order() -> None:
    option = r"(?m)^([A-D])\."
    assert not ChoiceRule(option=option, needs="", at_least=2).matches("A. x\nA. y")
    assert ChoiceRule(option=option, needs="", at_least=2, count_repeats=True).matches("A. x\nA. y")
    assert not ChoiceRule(option=option, needs="AB", in_order=True).matches("B. x\nA. y")
    assert ChoiceRule(option=option, needs="AB", in_order=True).matches("B. x\nA. y\nB. z")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"option": "(["}, "no regular expression"),
        ({"option": "^A"}, "captures no letter"),
        ({"option": "(.)", "needs": "ab"}, "upper case"),
        ({"option": "(.)", "at_least": 0}, "1 or more"),
    ],
)
def test_a_rule_is_checked_when_built(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChoiceRule(**fields)


def test_a_rule_is_read_from_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text("option: '([A-D])\\)'\nneeds: ''\nat_least: 2\n", encoding="utf-8")
    assert load_choice_rule(path) == ChoiceRule(option=r"([A-D])\)", needs="", at_least=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[A-D]", "it is a list of 1; it has to be a mapping with option, needs"),
        ("at_least: 2", "option is missing"),
        ("option: '(.)'\nneed: AB", r"need is unknown .did you mean 'needs'\?.; known are option"),
        ("option: '(.)'\nat_least: two", "at_least is 'two'; it has to be a whole number"),
        ("option: '.'", "captures no letter"),
        ("option: [", "is not valid YAML"),
    ],
)
def test_a_file_that_holds_no_rule_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_choice_rule(path)
    with pytest.raises(UserError, match=r"none\.yaml' is no file"):
        load_choice_rule(tmp_path / "none.yaml")

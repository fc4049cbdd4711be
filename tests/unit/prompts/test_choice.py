"""Lettered lines, and finding out a builder's rule for them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from recursivemas.errors import UserError
from recursivemas.prompts.choice import ChoiceRule, load_choice_rule
from recursivemas.prompts.infer_choice import infer_choice_rule, option_questions

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
        ("[A-D]", "has to be a mapping with the entry 'option'"),
        ("at_least: 2", "has to be a mapping with the entry 'option'"),
        ("option: '(.)'\nneed: AB", "unknown entry 'need'; known are option, needs"),
        ("option: '(.)'\nat_least: two", "at_least is 'two'; it has to be of type int"),
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


def all_of(pattern: str, letters: str) -> Callable[[str], bool]:
    return lambda text: all(re.search(pattern.replace("@", letter), text) for letter in letters)


def different(pattern: str, at_least: int) -> Callable[[str], bool]:
    return lambda text: len({letter.upper() for letter in re.findall(pattern, text)}) >= at_least


def by_line(text: str) -> bool:
    return sum(line.strip().startswith(("A.", "A)", "B.", "B)")) for line in text.splitlines()) >= 2


def by_lines(pattern: str, at_least: int) -> Callable[[str], bool]:
    return lambda text: sum(bool(re.match(pattern, line)) for line in text.splitlines()) >= at_least


BUILDER_RULES: dict[str, Callable[[str], bool]] = {
    "two needed": all_of(r"(?m)^\s*@[.):-]", "AB"),
    "four needed, then space": all_of(r"(?m)^\s*@[.)]\s", "ABCD"),
    "after a newline only": all_of(r"\n@\.", "AB"),
    "anywhere": all_of(r"@\.", "AB"),
    "in brackets": all_of(r"\(@\)", "ABCD"),
    "maybe in brackets": all_of(r"(?m)^\(?@[.)]", "AB"),
    "in brackets or with a dot": all_of(r"(?m)^[ \t]*(?:\(@\)|@[.])", "ABC"),
    "one line is enough": lambda text: bool(re.search(r"(?m)^A[.):-]", text)),
    "any one letter": lambda text: bool(re.search(r"(?m)^\s*[A-J][.):-]", text)),
    "either case": lambda text: bool(re.search(r"(^|\n)\s*[A-Da-d][.)]\s+", text)),
    "two lines, repeats count": lambda text: len(re.findall(r"(?m)^\s*[A-D][.):]", text)) >= 2,
    "two letters, gap allowed": different(r"(?m)^\s*([A-Z])\s*[.):-]", 2),
    "four letters of any case": different(r"(?mi)^\s*([A-E])[.):]\s", 4),
    "text has to follow": different(r"(?m)^\s*([A-Z])[.):-]\s+.+$", 2),
    "line break read with the option before": different(r"(?:^|\n)\s*([A-D])[.):-]\s+", 2),
    "in order, after newlines": lambda text: bool(re.search(r"(?s)\n\s*A[.):-].*\n\s*B[.):-]", text)),
    "text on the same line": different(r"(?m)^[ \t]*\(?([A-H])[).:-][ \t]*\S", 2),
    "words": lambda text: len(re.findall(r"\b[A-D][.)]\s", text)) >= 3,
    "in order": lambda text: bool(re.search(r"(?ms)^\s*A[.)].*^\s*B[.)]", text)),
    "stripped first": lambda text: all_of(r"(?m)^@[.):-]\s*\S", "AB")(text.strip()),
    "line by line": by_line,
    "line by line, text follows": by_lines(r"^\s*[A-D][.):-]\s*\S", 2),
    "line by line, space and text follow": by_lines(r"^\s*[A-D][.):-]\s+\S", 2),
    "line by line, space follows": by_lines(r"\s*[A-D]\s*[.):-]\s", 2),
    "line by line, more follows": by_lines(r"\s*[A-D][.)]\s+.+", 3),
    "any line": by_lines(r"^\s*[A-D][.):-]\s*\S", 1),
    "split at newlines": lambda text: (
        sum(bool(re.match(r"\s*\(?[A-E][.)]\s+\S", line)) for line in text.split("\n")) >= 2
    ),
    "split and stripped": lambda text: (
        len({line.strip()[0] for line in text.split("\n") if re.match(r"[A-D]\)\s", line.strip())}) >= 2
    ),
    "four lines, repeats count": lambda text: len(re.findall(r"(?m)^\s*([A-D])[.):-]\s*", text)) >= 4,
    "three lines, one of them A": lambda text: (
        len(re.findall(r"(?m)^([A-C])[.)]", text)) >= 3 and bool(re.search(r"(?m)^A[.)]", text))
    ),
}


@pytest.mark.parametrize("name", BUILDER_RULES)
def test_a_builders_rule_is_found_by_asking(name: str) -> None:
    lettered = BUILDER_RULES[name]
    rule = infer_choice_rule(lettered)
    questions = option_questions()
    assert [rule.matches(text) for text in questions] == [lettered(text) for text in questions]


def test_the_rule_found_is_readable() -> None:
    rule = infer_choice_rule(BUILDER_RULES["two needed"])
    assert rule == ChoiceRule(option=r"(?m:^)\s*([AB])[.):\-]", needs="AB", at_least=2)


@pytest.mark.parametrize(
    ("lettered", "message"),
    [
        (lambda text: False, "none of the known layouts"),
        (lambda text: text.count("\n") == 4, "text of its option lines|start of its option lines"),
        (lambda text: "A. x\nB" in text and len(text) % 2 == 1, "no rule"),
    ],
)
def test_a_builder_beyond_all_candidates_is_refused(lettered: Callable[[str], bool], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        infer_choice_rule(lettered)

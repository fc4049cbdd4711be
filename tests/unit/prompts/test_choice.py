"""Lettered lines, and finding out a builder's rule for them."""

import re
from collections.abc import Callable

import pytest

from recursivemas.prompts.choice import ChoiceRule
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


def all_of(pattern: str, letters: str) -> Callable[[str], bool]:
    return lambda text: all(re.search(pattern.replace("@", letter), text) for letter in letters)


def different(pattern: str, at_least: int) -> Callable[[str], bool]:
    return lambda text: len({letter.upper() for letter in re.findall(pattern, text)}) >= at_least


def by_line(text: str) -> bool:
    return sum(line.strip().startswith(("A.", "A)", "B.", "B)")) for line in text.splitlines()) >= 2


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

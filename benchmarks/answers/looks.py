r"""What a mathematical answer is by its looks, with nothing of the grader's own reading."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

Kind = Callable[[str], Iterable[str]]

INTEGER = re.compile(r"-?\d+")
FRACTION = re.compile(r"(-?)\\[dt]?frac\s*(?:\{(\d+)\}|(\d))\s*(?:\{(\d+)\}|(\d))")
DECIMAL = re.compile(r"-?\d*\.\d+")
SURD = re.compile(r"(\d*)\s*\\sqrt\s*(?:\{(\d+)\}|(\d))")
OF_PI = re.compile(r"(\d+)\s*\\pi")
COMPLEX = re.compile(r"(-?\d+) ?([+-]) ?(\d*)i")
GROUP = re.compile(r"(?:\\left)?\s*([(\[])(.+?)(?:\\right)?\s*([)\]])")
IN_BASE = re.compile(r"(\d+)_\{?(\d+)\}?")
DEGREES = re.compile(r"(.+?)(?:\^\\circ|\s*\\text\{\s*degrees\})")
MONEY = re.compile(r"\\\$([\d.,\\! ]+)")
QUANTITY = re.compile(r"(.+?)\s*\\(?:text|mbox)\{ (\w+)\}(\^2)?")
MATRIX = re.compile(r"\\begin\{pmatrix\}(.+)\\end\{pmatrix\}")
POLYNOMIAL = re.compile(r"[-+\d a-zA-Z^(){}]*[a-zA-Z][-+\d a-zA-Z^(){}]*")
BASES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def plain_integer(gold: str) -> str | None:
    """The digits of an integer that may have thousands set apart."""
    if re.fullmatch(r"-?\d{1,3}(?:,(?:\\! ?)?\d{3})+", gold):
        return re.sub(r"[,\\! ]", "", gold)
    return gold if INTEGER.fullmatch(gold) else None


def parts_of_fraction(gold: str) -> tuple[str, int, int] | None:
    match = FRACTION.fullmatch(gold)
    return (match[1], int(match[2] or match[3]), int(match[4] or match[5])) if match else None


def items_of(gold: str) -> tuple[str, list[str], str] | None:
    """(opening, items, closing) of a point or an interval."""
    match = GROUP.fullmatch(gold)
    if match is None or re.search(r"[()\[\]]", match[2]):
        return None
    items = [item.strip() for item in match[2].split(",")]
    return (match[1], items, match[3]) if len(items) > 1 else None


def list_items(gold: str) -> list[str]:
    """The items of a list that stands in no brackets."""
    items = [item.strip() for item in gold.split(",")]
    single = plain_integer(gold) is not None or re.search(r"[(\[{$]", gold)
    return items if len(items) > 1 and not single else []


def is_interval(gold: str) -> bool:
    """Half-open, or with an infinite end; `(1, 2)` could be a point."""
    found = items_of(gold)
    return bool(found and len(found[1]) == 2 and (found[0] + found[2] != "()" or "infty" in gold))


def is_value(gold: str) -> bool:
    """One value without words, brackets, commas or relations around it."""
    return (
        not re.search(r"[=,]|\\text|\\mbox|\\in|\\begin|\\pm|\\\{|\\cup|_|\\\$", gold)
        and items_of(gold) is None
    )

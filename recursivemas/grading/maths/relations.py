r"""Equations, inequalities and sets as an answer writes them."""

from __future__ import annotations

import re

from recursivemas.grading.maths.forms import (
    Equation,
    Expression,
    Inequality,
    Listing,
    Named,
    Reading,
    SetBuilder,
    SetOperation,
)
from recursivemas.grading.maths.literals import Read
from recursivemas.grading.maths.text import enclosed, split, tidy

_RELATIONS = frozenset(("=", "<", ">", r"\le", r"\ge", r"\ne", r"\in", r"\notin", r"\approx", r"\equiv"))
_FLIPPED = {">": "<", r"\ge": r"\le"}
_NUMBERS_IN_NAMES = re.compile(r"_(?:\{\w+\}|\w)|(?<=[fghpEFGHP])\([^()]*\)")
_NAMES_NOTHING = re.compile(
    r"[0-9!]|\\sqrt|^\s*-|\\text\{\s*(?i:if|unless|not|when|where|let|suppose|assume)\b"
)
"""What makes a left side no name: numbers, roots, a sign in front (an equation to solve), a condition."""


def read_relation(text: str, read: Read) -> Reading | None:
    sides, found = split(text, _RELATIONS)
    sides = [side.strip() for side in sides]
    if found == [r"\approx"] and not sides[0]:
        return read(sides[1])
    if not found or not all(sides):
        return None
    if found[-1] == r"\approx" and (len(found) == 1 or set(found[:-1]) == {"="}):
        return _read_approximation(sides, read)
    if found == [r"\in"]:
        return Named(tidy(sides[0]), read(sides[1]))
    if found == [r"\notin"]:
        return Named(tidy(sides[0]), SetOperation(r"\setminus", (Expression(r"\mathbb{R}"), read(sides[1]))))
    if set(found) == {"="}:
        return _read_equation(sides, read)
    return _read_inequality(sides, found)


def _read_equation(sides: list[str], read: Read) -> Reading:
    if len(sides) == 2 and _is_name(sides[1]) and not _is_name(sides[0]):
        sides = sides[::-1]
    names = _is_name(sides[0])
    between = sides[1:-1] if names else sides[:-1]
    return Equation(
        tidy(sides[0]), tidy(sides[-1]), read(sides[-1]), names, tuple(read(side) for side in between)
    )


def _is_name(side: str) -> bool:
    own = _NUMBERS_IN_NAMES.sub("", side)
    return (
        re.search(r"[A-Za-z]", own) is not None and _NAMES_NOTHING.search(own) is None and own not in _VALUES
    )


_VALUES = frozenset(("i", "e", r"\pi", r"\infty", r"\emptyset"))


def _read_approximation(sides: list[str], read: Read) -> Reading:
    """What is rounded, where that is given (`x = 1/3 \\approx 0.33`), else the rounded value."""
    exact = sides[:-1] if re.search(r"[0-9]|\\pi", sides[-2]) else sides
    return read(exact[0]) if len(exact) == 1 else _read_equation(exact, read)


def _read_inequality(sides: list[str], operators: list[str]) -> Reading | None:
    if all(operator in _FLIPPED for operator in operators):
        sides, operators = sides[::-1], [_FLIPPED[operator] for operator in operators[::-1]]
    between = set(operators) <= {"<", r"\le"} and len(operators) <= 2
    if not between and operators != [r"\ne"]:
        return None
    return Inequality(tuple(map(tidy, sides)), tuple(operators))


# ---------------------------------------------------------------------------------------------------------
# Sets

_SET_OPERATORS = (r"\cup", r"\cap", r"\setminus")
_SET = re.compile(r"\\mathbb\{[A-Z]\}|\\\{.*\\\}|[(\[].*,.*[)\]]", re.DOTALL)
_ALL_BUT = re.compile(
    r"\\mathbb\{R\}\s*\\text\{\s*(?:except|but|without)\s*\}\s*(?P<items>.+)"
    r"|\\text\{\s*all (?:real numbers|reals)(?: x)? (?:except|but)(?: for| x\s*=)?\s*\}\s*(?P<named>.+)",
    re.DOTALL,
)


def read_set_operation(text: str, read: Read) -> Reading | None:
    if match := _ALL_BUT.fullmatch(text):
        items = (match["items"] or match["named"]).strip()
        return read(rf"\mathbb{{R}}\setminus \{{{re.sub(r'^x *=', '', items)}\}}")
    for operator in _SET_OPERATORS:
        pieces = split(text, frozenset((operator,)))[0]
        if len(pieces) > 1 and all(piece.strip() for piece in pieces):
            return SetOperation(operator, tuple(read(piece) for piece in pieces))
    pieces = [piece.strip() for piece in split(text, frozenset("-"))[0]]
    if len(pieces) == 2 and all(map(_SET.fullmatch, pieces)) and pieces[1].startswith((r"\{", "[", "(")):
        return SetOperation(r"\setminus", tuple(read(piece) for piece in pieces))
    return None


_BUILDER = re.compile(
    r"\s*(?P<name>\\?[A-Za-z]+)\s*(?:\\in\s*(?P<domain>\\mathbb\{[A-Z]\})\s*)?[|:](?P<condition>.+)",
    re.DOTALL,
)


def read_set_builder(text: str, read: Read) -> Reading | None:
    pair = enclosed(text)
    match = _BUILDER.fullmatch(pair[1]) if pair and pair[0] == r"\{" else None
    if match is None or not re.search(
        rf"(?<![A-Za-z]){re.escape(match['name'])}(?![A-Za-z])", match["condition"]
    ):
        return None
    condition = read(match["condition"].strip())
    if isinstance(condition, Listing):  # a comma between conditions says `and`
        condition = Listing(condition.items, "or" if condition.joined_by == "or" else "and")
    if not isinstance(condition, Inequality | Named | Listing):
        return None
    built = SetBuilder(condition)
    if match["domain"] in (None, r"\mathbb{R}"):
        return built
    return SetOperation(r"\cap", (Expression(match["domain"]), built))

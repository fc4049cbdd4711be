"""The forms that mathematical answers come in, as `reading` finds them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias


@dataclass(frozen=True)
class Number:
    """A plain decimal number, exactly."""

    value: Fraction


@dataclass(frozen=True)
class Expression:
    """Normalised LaTeX that is to be parsed, or where that fails compared as text."""

    latex: str


@dataclass(frozen=True)
class Words:
    """Text that is no mathematics: lower case (single letters as they are), without punctuation."""

    text: str


@dataclass(frozen=True)
class NumberInBase:
    """Digits (upper case, no leading zeros) with the base that they are written in."""

    digits: str
    base: int


@dataclass(frozen=True)
class Quantity:
    """Something with a unit's name, see `units`."""

    body: Reading
    unit: str


@dataclass(frozen=True)
class Listing:
    """Answers side by side without brackets, in no order; `joined_by` is `,`, `or` or `and`."""

    items: tuple[Reading, ...]
    joined_by: str


@dataclass(frozen=True)
class Bracketed:
    r"""Items in brackets: a set `\{ \}`, a point or interval `( )`, `[ ]`, `( ]`, `[ )`, or a ratio `: :`."""

    opening: str
    items: tuple[Reading, ...]
    closing: str


@dataclass(frozen=True)
class Matrix:
    rows: tuple[tuple[Reading, ...], ...]


@dataclass(frozen=True)
class SetOperation:
    r"""`\cup`, `\cap` or `\setminus` over sets."""

    operator: str
    items: tuple[Reading, ...]


@dataclass(frozen=True)
class Named:
    r"""What a variable is said to lie in: `x \in [0, 1]`, `0 < x < 1`, `x \ge 3`."""

    name: str
    body: Reading


@dataclass(frozen=True)
class Equation:
    """`left = right`, of a chain the first and the last; `body` is the right side as an answer by itself.

    `names` says whether the left side only names what the right one gives, as `x`, `f(2)` and `m + n` do: it
    holds no number of its own.
    """

    left: str
    right: str
    body: Reading
    names: bool


@dataclass(frozen=True)
class Inequality:
    r"""A relation other than an equation that says no interval; the operator is `<`, `\le` or `\ne`."""

    left: str
    operator: str
    right: str


Reading: TypeAlias = (
    Number
    | Expression
    | Words
    | NumberInBase
    | Quantity
    | Listing
    | Bracketed
    | Matrix
    | SetOperation
    | Named
    | Equation
    | Inequality
)

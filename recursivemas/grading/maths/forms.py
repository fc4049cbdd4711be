"""The forms that mathematical answers come in, as `reading` finds them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from recursivemas.grading.maths.units import Unit


@dataclass(frozen=True)
class Number:
    """A plain decimal number or fraction, exactly."""

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
class Option:
    r"""An option's letter with what the option says, as in `\textbf{(C)}\ 5`."""

    letter: str
    body: Reading


@dataclass(frozen=True)
class NumberInBase:
    """Digits (upper case, no leading zeros) with the base that they are written in."""

    digits: str
    base: int


@dataclass(frozen=True)
class Quantity:
    """Something with a unit."""

    body: Reading
    unit: Unit


@dataclass(frozen=True)
class Percent:
    """`value` is what the percentage comes to, `shown` what stands before its sign."""

    value: Reading
    shown: Reading


@dataclass(frozen=True)
class Listing:
    """Answers side by side without brackets, in no order; `joined_by` is `,`, `or` or `and`."""

    items: tuple[Reading, ...]
    joined_by: str


@dataclass(frozen=True)
class Bracketed:
    r"""Items in brackets: a set `\{ \}`, a point or interval `( )`, `[ ]`, `( ]`, `[ )`."""

    opening: str
    items: tuple[Reading, ...]
    closing: str


@dataclass(frozen=True)
class Ratio:
    """Items between colons; `clock` says whether they could be a time of day, which is no ratio."""

    items: tuple[Reading, ...]
    clock: bool


@dataclass(frozen=True)
class Matrix:
    rows: tuple[tuple[Reading, ...], ...]


@dataclass(frozen=True)
class SetOperation:
    r"""`\cup`, `\cap` or `\setminus` over sets."""

    operator: str
    items: tuple[Reading, ...]


@dataclass(frozen=True)
class SetBuilder:
    r"""All that meets a condition on a variable: `\{x \mid x > 3\}`."""

    condition: Reading


@dataclass(frozen=True)
class Named:
    r"""What a variable is said to lie in, as in `x \in [0, 1]`; the name may be empty."""

    name: str
    body: Reading


@dataclass(frozen=True)
class Equation:
    """`left = right`, of a chain the first and the last; `body` is the right side as an answer by itself.

    `names` says whether the left side only names what the right one gives, as `x`, `f(2)` and `m + n` do: it
    holds no number of its own. `between` are a chain's other sides, the left one among them if it names
    nothing.
    """

    left: str
    right: str
    body: Reading
    names: bool
    between: tuple[Reading, ...] = ()


@dataclass(frozen=True)
class Inequality:
    r"""Two or three sides of LaTeX, the smaller first, with `<`, `\le` or `\ne` between them."""

    sides: tuple[str, ...]
    operators: tuple[str, ...]


Reading: TypeAlias = (
    Number
    | Expression
    | Words
    | Option
    | NumberInBase
    | Quantity
    | Percent
    | Listing
    | Bracketed
    | Ratio
    | Matrix
    | SetOperation
    | SetBuilder
    | Named
    | Equation
    | Inequality
)

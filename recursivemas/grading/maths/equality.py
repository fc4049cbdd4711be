r"""Whether two mathematical answers are equal, exactly.

Structure is compared here, form by form; `values` compares expressions, and `regions` sets of numbers.

Slow or hostile input can keep a comparison busy for ever: run it in `pool`'s processes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import sympy
from sympy.core.random import seed as seed_sympy

from recursivemas.grading.maths.forms import (
    Bracketed,
    Equation,
    Expression,
    Inequality,
    Listing,
    Matrix,
    Named,
    Number,
    Option,
    Percent,
    Quantity,
    Ratio,
    Reading,
    Words,
)
from recursivemas.grading.maths.literals import plain_words
from recursivemas.grading.maths.parser import parse
from recursivemas.grading.maths.reading import read
from recursivemas.grading.maths.regions import as_named, same_relations, same_sets
from recursivemas.grading.maths.spelling import normalise
from recursivemas.grading.maths.text import tidy
from recursivemas.grading.maths.units import take_letter_unit
from recursivemas.grading.maths.values import same_expressions, same_values, value_of

logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its own time limits are off

MAX_ITEMS = 60


def equal(gold: str, answer: str, *, in_percent: bool = False) -> bool:
    """Whether an answer says the same as the gold; texts that cannot be read are compared as texts.

    `in_percent` says that the question asks for percent: `50` is then what `50\\%` is.
    """
    seed_sympy(0)
    texts = [tidy(normalise(gold)), tidy(normalise(answer))]
    if "" in texts:
        return bool(gold.strip()) and gold.strip() == answer.strip()
    if texts[0] == texts[1]:
        return True
    first, second = read(gold), read(answer)
    if first is None or second is None:
        return False
    return same(first, second) or (in_percent and _same_without_percent(first, second))


def _same_without_percent(a: Reading, b: Reading) -> bool:
    shown = [_shown(reading) for reading in (a, b)]
    return (shown[0] is a) is not (shown[1] is b) and same(*shown)


def _shown(reading: Reading) -> Reading:
    """A percentage by what stands before its sign, also behind a name; every other reading as it is."""
    if isinstance(reading, Equation) and reading.names and isinstance(reading.body, Percent):
        return reading.body.shown
    return reading.shown if isinstance(reading, Percent) else reading


# ---------------------------------------------------------------------------------------------------------
# Structure


def same(a: Reading, b: Reading) -> bool:
    """Whether two readings say the same. Symmetric, and not transitive: a unit or a name may be left out."""
    if a == b:
        return True
    for compare in (_same_options, _same_percents, _same_quantities, _same_equations, _same_regions):
        if (verdict := compare(a, b)) is not None:
            return verdict
    if isinstance(a, Words) or isinstance(b, Words):
        return _same_words(a, b)
    return _same_collections(a, b) or _same_matrices(a, b) or same_sets(a, b) or same_values(a, b)


def _same_options(a: Reading, b: Reading) -> bool | None:
    """By the letter, where both have one; else what the option says is compared."""
    if not isinstance(a, Option):
        return _same_options(b, a) if isinstance(b, Option) else None
    letters = [a.letter, b.letter if isinstance(b, Option) else _letter(b)]
    return letters[0] == letters[1] if letters[1] else same(a.body, b)


def _letter(reading: Reading) -> str:
    text = (
        reading.text
        if isinstance(reading, Words)
        else reading.latex
        if isinstance(reading, Expression)
        else ""
    )
    return text if re.fullmatch("[A-J]", text) else ""


def _same_percents(a: Reading, b: Reading) -> bool | None:
    if not isinstance(a, Percent) and not isinstance(b, Percent):
        return None
    return same(a.value if isinstance(a, Percent) else a, b.value if isinstance(b, Percent) else b)


def _same_quantities(a: Reading, b: Reading) -> bool | None:
    """A unit may be left out, but not contradicted. What is none (`squared`) may not be left out either."""
    if isinstance(a, Quantity) and isinstance(b, Quantity):
        return a.unit == b.unit and same(a.body, b.body)
    if isinstance(b, Quantity):
        return _same_quantities(b, a)
    if not isinstance(a, Quantity):
        return None
    if isinstance(b, Equation) and b.names:
        return same(a, b.body)
    if isinstance(b, Expression) and (found := take_letter_unit(b.latex)):
        body = read(found[0])
        return body is not None and same(a, Quantity(body, found[1]))
    return a.unit.known and same(a.body, b)


def _same_equations(a: Reading, b: Reading) -> bool | None:
    """`x = 5` says what `5` says, and what `2x = 10` says, but not what `y = 5` says."""
    if isinstance(a, Equation) and isinstance(b, Equation):
        same_left = a.left == b.left and _is_consistent(a) and _is_consistent(b) and same(a.body, b.body)
        return same_left or same_relations(a, b)
    if isinstance(b, Equation):
        return _same_equations(b, a)
    if not isinstance(a, Equation):
        return None
    return (a.names or _is_a_number(a)) and _is_consistent(a) and same(a.body, b)


def _is_a_number(equation: Equation) -> bool:
    """Whether a chain such as `6/2 = 3` has numbers alone."""
    values = [value_of(side) for side in (*equation.between, equation.body)]
    return all(value is not None and not value.free_symbols for value in values)


def _is_consistent(equation: Equation) -> bool:
    """Whether the numbers of a chain are one number: `x = 6/2 = 3`, but not `x = 6/2 = 4`."""
    numbers = [side for side in equation.between if (value := value_of(side)) is not None and value.is_number]
    return all(same(side, equation.body) for side in numbers)


def _same_regions(a: Reading, b: Reading) -> bool | None:
    """What variables lie in, by inequalities or by intervals, whose bounds may hold variables."""
    if isinstance(a, Inequality) and isinstance(b, Inequality) and same_relations(a, b):
        return True
    first, second = as_named(a), as_named(b)
    if first is None and second is None:
        return None
    names = {named.name for named in (first, second) if named is not None and named.name}
    if len(names) > 1:
        return False
    if isinstance(a, Listing) or isinstance(b, Listing):
        return None
    bodies = (first.body if first else a, second.body if second else b)
    if isinstance(a, Named) or isinstance(b, Named) or bodies != (a, b):
        return same(*bodies) or (bodies != (a, b) and same_sets(a, b))
    return None


def _same_words(a: Reading, b: Reading) -> bool:
    texts = [
        reading.text
        if isinstance(reading, Words)
        else plain_words(reading.latex)
        if isinstance(reading, Expression) and re.fullmatch(r"[A-Za-z .'-]+", reading.latex)
        else None
        for reading in (a, b)
    ]
    return None not in texts and texts[0] == texts[1]


# ---------------------------------------------------------------------------------------------------------
# Several things


def _same_collections(a: Reading, b: Reading) -> bool:
    if isinstance(a, Ratio) and isinstance(b, Ratio):
        return _same_ratios(a, b)
    if isinstance(a, Bracketed) and isinstance(b, Bracketed):
        if (a.opening, a.closing) != (b.opening, b.closing):
            return False
        if a.opening == r"\{":
            return _covers(a.items, b.items) and _covers(b.items, a.items)
        return _same_in_order(a.items, b.items)
    if isinstance(a, Listing) and isinstance(b, Listing):
        return _same_in_any_order(a.items, b.items)
    return any(_same_as_brackets(*pair) for pair in ((a, b), (b, a)))


_COORDINATE = re.compile(r"[A-Za-z]|\\[a-z]+")


def _same_as_brackets(a: Reading, b: Reading) -> bool:
    r"""A list or one value for a set; `x = 2, y = 3` for a point."""
    if isinstance(b, Named):
        b = b.body
    if not isinstance(b, Bracketed):
        return False
    if b.opening == r"\{":
        items = a.items if isinstance(a, Listing) else (a,)
        return not isinstance(a, Bracketed) and _same_in_any_order(items, b.items)
    if not isinstance(a, Listing) or (b.opening, b.closing) != ("(", ")"):
        return False
    named = [item for item in a.items if isinstance(item, Equation) and item.names]
    names = [item.left for item in named]
    if len(set(names)) < len(a.items) or not all(map(_COORDINATE.fullmatch, names)):
        return False
    coordinates = sorted(named, key=lambda item: (item.left.startswith("\\"), item.left))  # r before \theta
    if coordinates != named and not set(names) <= {"x", "y", "z"}:
        return False  # (x, y, z, w) is as usual as (w, x, y, z)
    return _same_in_order([item.body for item in coordinates], b.items)


def _same_ratios(a: Ratio, b: Ratio) -> bool:
    """`4:6` is `2:3`, and `12:30` is no other time of day."""
    if len(a.items) != len(b.items):
        return False
    if (a.clock and b.clock) or not all(isinstance(item, Number) for item in (*a.items, *b.items)):
        return _same_in_order(a.items, b.items)
    first, second = ([item.value for item in ratio.items if isinstance(item, Number)] for ratio in (a, b))
    return any(first) and all(x * second[0] == y * first[0] for x, y in zip(first, second, strict=True))


def _same_in_order(a: Sequence[Reading], b: Sequence[Reading]) -> bool:
    return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))


def _same_in_any_order(a: Sequence[Reading], b: Sequence[Reading]) -> bool:
    if len(a) != len(b) or len(a) > MAX_ITEMS:
        return False
    left = list(b)
    for item in a:
        partner = next((index for index, other in enumerate(left) if same(item, other)), None)
        if partner is None:
            return False
        del left[partner]
    return True


def _covers(a: Sequence[Reading], b: Sequence[Reading]) -> bool:
    return len(a) <= MAX_ITEMS >= len(b) and all(any(same(x, y) for y in b) for x in a)


# ---------------------------------------------------------------------------------------------------------
# Matrices


def _same_matrices(a: Reading, b: Reading) -> bool:
    """Entry by entry; a tuple stands for a column."""
    if not isinstance(a, Matrix) and not isinstance(b, Matrix):
        return False
    if isinstance(a, Matrix) and isinstance(b, Matrix):
        return len(a.rows) == len(b.rows) and all(map(_same_in_order, a.rows, b.rows))
    matrix, other = (a, b) if isinstance(a, Matrix) else (b, a)
    assert isinstance(matrix, Matrix)
    if isinstance(other, Bracketed) and (other.opening, other.closing) == ("(", ")"):
        return all(len(row) == 1 for row in matrix.rows) and _same_in_order(
            [row[0] for row in matrix.rows], other.items
        )
    if not isinstance(other, Expression) or r"\begin" not in other.latex:
        return False
    entries = _matrix_of(other.latex)
    if entries is None or entries.shape != (len(matrix.rows), len(matrix.rows[0])):
        return False
    cells = [cell for row in matrix.rows for cell in row]
    return all(_same_as_value(cell, entry) for cell, entry in zip(cells, entries, strict=True))


def _matrix_of(latex: str) -> sympy.ImmutableMatrix | None:
    r"""The matrix that an expression such as `\frac{1}{2}\begin{pmatrix} ... \end{pmatrix}` comes to."""
    parsed = parse(latex)
    value = parsed.doit() if isinstance(parsed, sympy.MatrixExpr) else parsed
    return value.as_immutable() if isinstance(value, sympy.MatrixBase) else None


def _same_as_value(reading: Reading, value: sympy.Expr) -> bool:
    own = value_of(reading)
    return own is not None and same_expressions(own, value)

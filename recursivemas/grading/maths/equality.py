r"""Whether two mathematical answers are equal, exactly.

Structure is compared form by form. Of expressions with variables math-verify's `verify` has to say that they
are equal, and so have their values to 60 digits: `verify` rounds to 15, and to it `2^{-99}` equals `2^{-98}`.

Slow or hostile input can keep a comparison busy for ever: run it in `pool`'s processes.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import sympy
from math_verify import verify
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
    Quantity,
    Reading,
    SetOperation,
    Words,
)
from recursivemas.grading.maths.parser import parse
from recursivemas.grading.maths.reading import plain_words, read
from recursivemas.grading.maths.text import normalise, tidy

logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its own time limits are off

DIGITS = 60
"""How many digits two numbers have to share."""
MAX_DIGITS = 600
"""How far the difference of two numbers is followed when it seems to vanish."""
MAX_ITEMS = 60


def equal(gold: str, answer: str) -> bool:
    """Whether an answer says the same as the gold; texts that cannot be read are compared as texts."""
    seed_sympy(0)
    texts = [tidy(normalise(gold)), tidy(normalise(answer))]
    if "" in texts:
        return bool(gold.strip()) and gold.strip() == answer.strip()
    if texts[0] == texts[1]:
        return True
    first, second = read(gold), read(answer)
    return first is not None and second is not None and same(first, second)


# ---------------------------------------------------------------------------------------------------------
# Structure


def same(a: Reading, b: Reading) -> bool:
    """Whether two readings say the same. Symmetric, and not transitive: a unit or a name may be left out."""
    if a == b:
        return True
    for compare in (_same_quantities, _same_equations, _same_names):
        if (verdict := compare(a, b)) is not None:
            return verdict
    if isinstance(a, Words) or isinstance(b, Words):
        return _same_words(a, b)
    if isinstance(a, Inequality) and isinstance(b, Inequality):
        return _same_inequalities(a, b)
    return _same_collections(a, b) or _same_matrices(a, b) or _same_sets(a, b) or _same_values(a, b)


def _same_quantities(a: Reading, b: Reading) -> bool | None:
    """A unit may be left out, but not contradicted."""
    if not isinstance(a, Quantity) and not isinstance(b, Quantity):
        return None
    if isinstance(a, Quantity) and isinstance(b, Quantity):
        return a.unit == b.unit and same(a.body, b.body)
    return same(a.body if isinstance(a, Quantity) else a, b.body if isinstance(b, Quantity) else b)


def _same_equations(a: Reading, b: Reading) -> bool | None:
    """`x = 5` says what `5` says, and what `2x = 10` says, but not what `y = 5` says."""
    if isinstance(a, Equation) and isinstance(b, Equation):
        return (a.left == b.left and same(a.body, b.body)) or _proportional(a, b) is not None
    if isinstance(a, Equation):
        return a.names and same(a.body, b)
    if isinstance(b, Equation):
        return b.names and same(a, b.body)
    return None


def _same_names(a: Reading, b: Reading) -> bool | None:
    if isinstance(a, Named) and isinstance(b, Named):
        return a.name == b.name and same(a.body, b.body)
    if isinstance(a, Named) and not isinstance(b, Listing):
        return same(a.body, b)
    if isinstance(b, Named) and not isinstance(a, Listing):
        return same(a, b.body)
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


def _same_collections(a: Reading, b: Reading) -> bool:
    if isinstance(a, Bracketed) and isinstance(b, Bracketed):
        if (a.opening, a.closing) != (b.opening, b.closing):
            return False
        if a.opening == r"\{":
            return _covers(a.items, b.items) and _covers(b.items, a.items)
        return _same_in_order(a.items, b.items)
    if isinstance(a, Listing) and isinstance(b, Listing):
        return _same_in_any_order(a.items, b.items)
    for listing, other in ((a, b), (b, a)):
        if isinstance(listing, Listing) and isinstance(other, Named):
            other = other.body
        if isinstance(listing, Listing) and isinstance(other, Bracketed) and other.opening == r"\{":
            return _same_in_any_order(listing.items, other.items)
    return False


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
# Matrices and sets


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
    own = _value(reading)
    return own is not None and _same_expressions(own, value)


_NAMED_SETS = {
    r"\mathbb{R}": sympy.S.Reals,
    r"\mathbb{Z}": sympy.S.Integers,
    r"\mathbb{N}": sympy.S.Naturals,
    r"\emptyset": sympy.S.EmptySet,
}


def _same_sets(a: Reading, b: Reading) -> bool:
    """As sets of numbers; two pairs of brackets have been compared before, as they stand."""
    if isinstance(a, Bracketed) and isinstance(b, Bracketed):
        return False
    first, second = _as_set(a), _as_set(b)
    if first is None or second is None:
        return False
    return bool(first == second or first.symmetric_difference(second) == sympy.S.EmptySet)


def _as_set(reading: Reading) -> sympy.Set | None:
    if isinstance(reading, Named):
        return _as_set(reading.body)
    if isinstance(reading, Expression):
        return _NAMED_SETS.get(reading.latex)
    if isinstance(reading, Bracketed):
        return _as_interval(reading)
    if isinstance(reading, Listing):
        return _as_joined_sets(reading)
    if isinstance(reading, SetOperation):
        parts = [_as_set(item) for item in reading.items]
        if None in parts:
            return None
        combine = {r"\cup": sympy.Union, r"\cap": sympy.Intersection, r"\setminus": _minus}[reading.operator]
        return combine(*parts)
    return None


def _minus(first: sympy.Set, *others: sympy.Set) -> sympy.Set:
    return first - sympy.Union(*others)


def _as_interval(reading: Bracketed) -> sympy.Set | None:
    values = [value for item in reading.items if (value := _value(item)) is not None]
    if len(values) < len(reading.items) or not all(value.is_extended_real for value in values):
        return None
    if reading.opening == r"\{":
        return sympy.FiniteSet(*values)
    if reading.opening not in "([" or len(values) != 2 or (values[0] < values[1]) is not sympy.true:
        return None  # `(3, 1)` is a point, and no empty interval
    return sympy.Interval(*values, left_open=reading.opening == "(", right_open=reading.closing == ")")


def _as_joined_sets(listing: Listing) -> sympy.Set | None:
    """`x < 1 or x > 2`: what one variable is said to lie in."""
    if not all(isinstance(item, Named) for item in listing.items) or listing.joined_by == ",":
        return None
    if len({item.name for item in listing.items if isinstance(item, Named)}) > 1:
        return None
    parts = [_as_set(item) for item in listing.items]
    if None in parts:
        return None
    return (sympy.Union if listing.joined_by == "or" else sympy.Intersection)(*parts)


# ---------------------------------------------------------------------------------------------------------
# Equations and inequalities


def _proportional(a: Equation | Inequality, b: Equation | Inequality) -> sympy.Expr | None:
    """The constant that takes one relation's `left - right` to the other's; None where there is none."""
    differences = []
    for relation in (a, b):
        left, right = parse(relation.left), parse(relation.right)
        if not isinstance(left, sympy.Expr) or not isinstance(right, sympy.Expr):
            return None
        differences.append(left - right)
    if 0 in differences:
        return None
    ratio = sympy.simplify(differences[0] / differences[1])
    if ratio.free_symbols or ratio.has(sympy.nan, sympy.zoo, sympy.oo) or ratio == 0:
        return None
    return ratio if ratio.is_number and ratio.is_extended_real else None


def _same_inequalities(a: Inequality, b: Inequality) -> bool:
    if a.operator != b.operator:
        return False
    ratio = _proportional(a, b)
    return ratio is not None and (a.operator == r"\ne" or bool(ratio.is_positive))


# ---------------------------------------------------------------------------------------------------------
# Values


def _same_values(a: Reading, b: Reading) -> bool:
    first, second = _value(a), _value(b)
    return first is not None and second is not None and _same_expressions(first, second)


def _value(reading: Reading) -> sympy.Expr | None:
    """A number's or an expression's value; None for everything else, and where it cannot be parsed."""
    if isinstance(reading, Number):
        return sympy.Rational(reading.value.numerator, reading.value.denominator)
    if not isinstance(reading, Expression):
        return None
    value = parse(reading.latex)
    if not isinstance(value, sympy.Expr) or isinstance(value, sympy.MatrixExpr):
        return None
    return None if value.has(sympy.nan, sympy.zoo) else value


def _same_expressions(a: sympy.Expr, b: sympy.Expr) -> bool:
    if a == b:
        return True
    if a.is_Rational and b.is_Rational:
        return False
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    met = False
    for point in _points(symbols):
        first, second = _evaluate(a.subs(point)), _evaluate(b.subs(point))
        if first is None or second is None:
            continue
        if _differ(first, second):
            return False
        met = True
    if not symbols:
        return met and _difference_vanishes(a, b)
    if not met:
        return bool(sympy.simplify(a - b) == 0)
    return bool(verify([a], [b], timeout_seconds=None))


def _points(symbols: Sequence[sympy.Symbol]) -> Iterator[dict[sympy.Symbol, sympy.Rational]]:
    """Fractions for the variables, three times over, the same ones every time."""
    for denominator in (5, 9, 31) if symbols else (1,):
        primes = itertools.cycle((13, 7, 29, 17, 37, 11, 23, 41))
        yield {
            symbol: sympy.Rational(prime + place, denominator)
            for place, (symbol, prime) in enumerate(zip(symbols, primes, strict=False))
        }


Complex: TypeAlias = tuple[Any, Any]


def _evaluate(expression: sympy.Expr) -> Complex | None:
    """Real and imaginary part to `DIGITS` digits, noise taken for zero; None for what is no number."""
    real, imaginary = expression.evalf(DIGITS).as_real_imag()
    if not all(part.is_Float or part.is_Integer or part.is_infinite for part in (real, imaginary)):
        return None
    return _denoised(real), _denoised(imaginary)


def _denoised(part: sympy.Expr) -> sympy.Expr:
    # A Float of hardly any precision is what is left of a difference in which every digit cancelled.
    return sympy.S.Zero if part.is_Float and part._prec < 8 else part


def _differ(a: Complex, b: Complex) -> bool:
    if any(part.is_infinite for part in (*a, *b)):
        return a != b
    tolerance = max(abs(part) for part in (*a, *b)) * sympy.Float(10, DIGITS) ** (10 - DIGITS)
    return any(abs(x - y) > tolerance for x, y in zip(a, b, strict=True))


def _difference_vanishes(a: sympy.Expr, b: sympy.Expr) -> bool:
    difference = a - b
    if difference == 0:
        return True
    value = difference.evalf(8, maxn=MAX_DIGITS)
    return all(_denoised(part) == 0 for part in value.as_real_imag())

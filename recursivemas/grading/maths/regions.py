r"""Intervals, rays and other sets of numbers, as brackets or by inequalities: `(1,\infty)`, `2x - 2 > 0`."""

from __future__ import annotations

import itertools
import re
from functools import reduce

import sympy

from recursivemas.grading.maths.forms import (
    Bracketed,
    Equation,
    Expression,
    Inequality,
    Listing,
    Named,
    Reading,
    SetBuilder,
    SetOperation,
)
from recursivemas.grading.maths.parser import parse
from recursivemas.grading.maths.reading import read
from recursivemas.grading.maths.values import proportion, value_of

_VARIABLE = re.compile(r"\\?[A-Za-z]+(?:_(?:\w|\{\w+\}))?|[fgh]\([a-z]\)")


def as_named(reading: Reading) -> Named | None:
    """What a variable that stands alone is said to lie in: `x > 3` in a ray, `1 < x < 2` in an interval."""
    if isinstance(reading, Named):
        return reading
    if isinstance(reading, SetBuilder):
        named = as_named(reading.condition)
        return Named("", named.body) if named else None
    if not isinstance(reading, Inequality) or r"\ne" in reading.operators:
        return None
    opening = "(" if reading.operators[0] == "<" else "["
    closing = ")" if reading.operators[-1] == "<" else "]"
    if len(reading.sides) == 3:
        low, name, high = reading.sides
        if not (_stands_alone(name, low) and _stands_alone(name, high)):
            return None
        return Named(name, Bracketed(opening, (_bound(low), _bound(high)), closing))
    left, right = reading.sides
    if _stands_alone(left, right):
        return Named(left, Bracketed("(", (Expression(r"-\infty"), _bound(right)), closing))
    if _stands_alone(right, left):
        return Named(right, Bracketed(opening, (_bound(left), Expression(r"\infty")), ")"))
    return None


def _bound(latex: str) -> Reading:
    return read(latex) or Expression(latex)


def _stands_alone(name: str, other: str) -> bool:
    return (
        _VARIABLE.fullmatch(name) is not None
        and name not in ("e", "i", r"\pi", r"\infty")
        and not re.search(rf"(?<![A-Za-z\\]){re.escape(name)}(?![A-Za-z])", other)
    )


# ---------------------------------------------------------------------------------------------------------
# Equations and inequalities as they stand


def same_relations(a: Equation | Inequality, b: Equation | Inequality) -> bool:
    """Whether one is the other times a constant, with everything on one side: `2x = 10`, `x = 5`."""
    ratios = [
        proportion(*sides) if None not in sides else None
        for sides in zip(_differences(a), _differences(b), strict=False)
    ]
    if isinstance(a, Equation) or isinstance(b, Equation):
        return type(a) is type(b) and ratios[0] is not None
    if len(a.sides) != len(b.sides) or None in ratios:
        return False
    if a.operators == (r"\ne",) or b.operators == (r"\ne",):
        return a.operators == b.operators
    if all(ratio.is_positive for ratio in ratios if ratio is not None):
        return a.operators == b.operators
    return False


def _differences(relation: Equation | Inequality) -> list[sympy.Expr | None]:
    """Of each two sides next to each other, left minus right; None where that cannot be parsed."""
    sides = (relation.left, relation.right) if isinstance(relation, Equation) else relation.sides
    values = [parse(side) for side in sides]
    return [
        left - right if isinstance(left, sympy.Expr) and isinstance(right, sympy.Expr) else None
        for left, right in itertools.pairwise(values)
    ]


# ---------------------------------------------------------------------------------------------------------
# Sets of numbers

_NAMED_SETS = {
    r"\mathbb{R}": sympy.S.Reals,
    r"\mathbb{Z}": sympy.S.Integers,
    r"\mathbb{N}": sympy.S.Naturals,
    r"\emptyset": sympy.S.EmptySet,
}


def same_sets(a: Reading, b: Reading) -> bool:
    """As sets of numbers; two pairs of brackets have been compared before, as they stand."""
    if isinstance(a, Bracketed) and isinstance(b, Bracketed):
        return False
    if len({name for name in (variable_of(a), variable_of(b)) if name}) > 1:
        return False
    first, second = _as_set(a), _as_set(b)
    if first is None or second is None:
        return False
    return bool(first == second or first.symmetric_difference(second) == sympy.S.EmptySet)


def variable_of(reading: Reading) -> str:
    """The variable that a reading makes a statement about; empty where it names none."""
    if isinstance(reading, Named):
        return reading.name
    if isinstance(reading, Inequality):
        values = [parse(side) for side in reading.sides]
        names = {str(symbol) for value in values if value is not None for symbol in value.free_symbols}
        return names.pop() if len(names) == 1 else ""
    if isinstance(reading, Listing):
        found = {variable_of(item) for item in reading.items}
        return found.pop() if len(found) == 1 else ""
    return ""


def _as_set(reading: Reading) -> sympy.Set | None:
    if isinstance(reading, Named):
        return _as_set(reading.body)
    if isinstance(reading, SetBuilder):
        return _as_set(reading.condition)
    if isinstance(reading, Expression):
        return _NAMED_SETS.get(reading.latex)
    if isinstance(reading, Bracketed):
        return _as_interval(reading)
    if isinstance(reading, Inequality):
        return _solution(reading)
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
    values = [value for item in reading.items if (value := value_of(item)) is not None]
    if len(values) < len(reading.items) or not all(value.is_extended_real for value in values):
        return None
    if reading.opening == r"\{":
        return sympy.FiniteSet(*values)
    if reading.opening not in "([" or len(values) != 2 or (values[0] < values[1]) is not sympy.true:
        return None  # `(3, 1)` is a point, and no empty interval
    return sympy.Interval(*values, left_open=reading.opening == "(", right_open=reading.closing == ")")


def _as_joined_sets(listing: Listing) -> sympy.Set | None:
    """`x < 1 or x > 2`, `x \\ne 1, 2`: what one variable is said to lie in.

    A comma says `and`, unless nothing can meet both: `x < 1, x > 2`. Intervals may be joined by `or` alone.
    """
    items = _with_holes(listing)
    parts = [_as_set(item) for item in items]
    if None in parts:
        return None
    if all(isinstance(item, Bracketed) for item in items):
        return sympy.Union(*parts) if listing.joined_by == "or" else None
    if not all(isinstance(item, Named | Inequality) for item in items) or not variable_of(
        Listing(items, listing.joined_by)
    ):
        return None
    met = reduce(sympy.Intersection, parts)
    if listing.joined_by == "or" or (listing.joined_by == "," and met == sympy.S.EmptySet):
        return sympy.Union(*parts)
    return met


def _with_holes(listing: Listing) -> tuple[Reading, ...]:
    """With `x \\ne 1, 2` as `x \\ne 1` and `x \\ne 2`."""
    first = listing.items[0]
    if not isinstance(first, Inequality) or first.operators != (r"\ne",):
        return listing.items
    return tuple(
        Inequality((first.sides[0], str(item.value)), (r"\ne",)) if hasattr(item, "value") else item
        for item in listing.items
    )


def _solution(inequality: Inequality) -> sympy.Set | None:
    """Where an inequality holds that is linear in its one variable, or in the absolute value of a line."""
    parts = []
    for difference, operator in zip(_differences(inequality), inequality.operators, strict=True):
        if difference is None or len(difference.free_symbols) != 1:
            return None
        variable = next(iter(difference.free_symbols))
        plain = sympy.Symbol("x", real=True)
        part = _below_zero(difference.subs(variable, plain), plain, operator)
        if part is None:
            return None
        parts.append(part)
    return sympy.Intersection(*parts)


def _below_zero(difference: sympy.Expr, x: sympy.Symbol, operator: str) -> sympy.Set | None:
    """Where `difference < 0` (or `<= 0`, `!= 0`)."""
    absolutes = difference.atoms(sympy.Abs)
    if absolutes:
        return _absolute_below_zero(difference, absolutes.pop(), x, operator) if len(absolutes) == 1 else None
    line = _line(difference, x)
    if line is None:
        return None
    slope, offset = line
    zero = -offset / slope
    if operator == r"\ne":
        return sympy.S.Reals - sympy.FiniteSet(zero)
    is_open = operator == "<"
    if slope.is_positive:
        return sympy.Interval(-sympy.oo, zero, right_open=is_open)
    return sympy.Interval(zero, sympy.oo, left_open=is_open)


def _absolute_below_zero(
    difference: sympy.Expr, absolute: sympy.Expr, x: sympy.Symbol, operator: str
) -> sympy.Set | None:
    held = sympy.Dummy("held", real=True)
    outer = _line(difference.subs(absolute, held), held)
    if outer is None or operator == r"\ne":
        return None
    inside, bound = absolute.args[0], -outer[1] / outer[0]
    within = [_below_zero(side - bound, x, "<") for side in (inside, -inside)]
    touching = [_below_zero(side - bound, x, r"\le") for side in (inside, -inside)]
    if None in within or None in touching:
        return None
    is_below = bool(outer[0].is_positive)
    closed = (operator == r"\le") is is_below
    inner = sympy.Intersection(*(touching if closed else within))
    return inner if is_below else sympy.S.Reals - inner


def _line(expression: sympy.Expr, x: sympy.Symbol) -> tuple[sympy.Expr, sympy.Expr] | None:
    """(slope, offset) of a linear expression with real numbers for both; None for every other one."""
    if expression.free_symbols != {x} or not expression.is_polynomial(x):
        return None
    polynomial = sympy.Poly(expression, x)
    if polynomial.degree() != 1:
        return None
    slope, offset = polynomial.all_coeffs()
    return (slope, offset) if slope.is_extended_real and offset.is_extended_real else None

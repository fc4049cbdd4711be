r"""Whether two expressions have the same value: exactly for rational functions, else digit by digit.

Numbers are equal when 60 digits agree and their difference vanishes to 600. With variables, fractions of both
signs are put in, and whole numbers where sums, products or factorials run over one; where roots or logarithms
of variables are not real on one side, nothing is said there. Of functions with steps, such as a floor,
math-verify has to agree too, because a few points do not tell them apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import sympy
from math_verify import verify
from sympy.core.function import AppliedUndef

from recursivemas.grading.maths.forms import Expression, Number, Reading
from recursivemas.grading.maths.parser import parse

DIGITS = 60
"""How many digits two numbers have to share."""
MAX_DIGITS = 600
"""How far the difference of two numbers is followed when it seems to vanish."""
MAX_DEGREE = 100
"""Highest power that rational functions are multiplied out for."""

_STEPS = (sympy.floor, sympy.ceiling, sympy.Mod, sympy.Piecewise, sympy.gcd, sympy.Max, sympy.Min, sympy.sign)
_OVER_WHOLE_NUMBERS = (sympy.Sum, sympy.Product, sympy.factorial, sympy.binomial)


def value_of(reading: Reading) -> sympy.Expr | None:
    """A number's or an expression's value; None for everything else, and where it cannot be parsed."""
    if isinstance(reading, Number):
        return sympy.Rational(reading.value.numerator, reading.value.denominator)
    if not isinstance(reading, Expression):
        return None
    value = parse(reading.latex)
    if not isinstance(value, sympy.Expr) or isinstance(value, sympy.MatrixExpr):
        return None
    return None if value.has(sympy.nan, sympy.zoo) else value


def same_values(a: Reading, b: Reading) -> bool:
    first, second = value_of(a), value_of(b)
    return first is not None and second is not None and same_expressions(first, second)


def same_expressions(a: sympy.Expr, b: sympy.Expr) -> bool:
    """Whether two expressions are equal wherever both are defined."""
    if a == b:
        return True
    if a.is_Rational and b.is_Rational:
        return False
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    if not symbols:
        return _same_numbers(a, b)
    if _differ_at(a, b, next(_points(symbols))):
        return False
    exact = _same_rational_functions(a, b, symbols)
    return _same_functions(a, b, symbols) if exact is None else exact


def _same_numbers(a: sympy.Expr, b: sympy.Expr) -> bool:
    first, second = _evaluate(a), _evaluate(b)
    return (
        first is not None and second is not None and not _differ(first, second) and _difference_vanishes(a, b)
    )


def _same_rational_functions(a: sympy.Expr, b: sympy.Expr, symbols: Sequence[sympy.Symbol]) -> bool | None:
    """The verdict where both are quotients of polynomials over the rationals, else None."""
    for side in (a, b):
        constants = side.atoms(sympy.NumberSymbol, sympy.Pow) - {sympy.E}
        powers = [part for part in constants if part.is_Pow]
        if any(not part.exp.is_Integer or abs(part.exp) > MAX_DEGREE for part in powers):
            return None
        if not side.is_rational_function(*symbols) or side.has(*_OVER_WHOLE_NUMBERS, sympy.Function):
            return None
        if side.atoms(sympy.NumberSymbol):
            return None
    numerator, _ = sympy.fraction(sympy.together(a - b))
    return bool(sympy.expand(numerator) == 0)


def _same_functions(a: sympy.Expr, b: sympy.Expr, symbols: Sequence[sympy.Symbol]) -> bool:
    if not a.has(*_STEPS) and not b.has(*_STEPS):
        tested = _agree_at_points(a, b, symbols)
        return bool(sympy.simplify(a - b) == 0) if tested is None else tested
    return _agree_at_points(a, b, symbols) is True and bool(verify([a], [b], timeout_seconds=None))


def _agree_at_points(a: sympy.Expr, b: sympy.Expr, symbols: Sequence[sympy.Symbol]) -> bool | None:
    """None where the two have no number at any point that was tried."""
    real = not a.has(sympy.I) and not b.has(sympy.I)
    whole = a.has(*_OVER_WHOLE_NUMBERS) or b.has(*_OVER_WHOLE_NUMBERS)
    met = 0
    for point in _whole_points(symbols) if whole else _points(symbols):
        at_a, at_b = _put_in(a, point), _put_in(b, point)
        first, second = _evaluate(at_a), _evaluate(at_b)
        if first is None or second is None or (real and (first[1] != 0 or second[1] != 0)):
            continue
        if _differ(first, second) or not _difference_vanishes(at_a, at_b):
            return False
        met += 1
    return True if met else None


def _differ_at(a: sympy.Expr, b: sympy.Expr, point: dict[sympy.Symbol, sympy.Expr]) -> bool:
    """A quick look before all is multiplied out; False also where nothing can be said."""
    if a.has(*_OVER_WHOLE_NUMBERS) or b.has(*_OVER_WHOLE_NUMBERS):
        return False
    first, second = _evaluate(a.subs(point)), _evaluate(b.subs(point))
    both_real = first is not None and second is not None and first[1] == 0 == second[1]
    return both_real and first is not None and second is not None and _differ(first, second)


def _put_in(expression: sympy.Expr, point: dict[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
    put = expression.subs(point)
    return put.doit() if put.has(sympy.Sum, sympy.Product) else put


def _points(symbols: Sequence[sympy.Symbol]) -> Iterator[dict[sympy.Symbol, sympy.Expr]]:
    """Fractions for the variables, the same ones every time: greater than 1, less than 1, and below 0."""
    for denominator, signs in ((5, (1,)), (9, (1,)), (97, (1,)), (7, (-1,)), (83, (1, -1)), (11, (-1, 1))):
        primes = itertools.cycle((13, 7, 29, 17, 37, 11, 23, 41))
        turns = itertools.cycle(signs)
        yield {
            symbol: sympy.Rational(sign * (prime + place), denominator)
            for place, (symbol, prime, sign) in enumerate(zip(symbols, primes, turns, strict=False))
        }


def _whole_points(symbols: Sequence[sympy.Symbol]) -> Iterator[dict[sympy.Symbol, sympy.Expr]]:
    """Such as lie far apart, in both orders, so that differences are of both signs, and no two the same."""
    for numbers in ((3, 8, 5, 12), (9, 4, 11, 2), (7, 1, 10, 4), (4, 11, 3, 9), (10, 2, 7, 5)):
        yield {
            symbol: sympy.Integer(number)
            for symbol, number in zip(symbols, itertools.cycle(numbers), strict=False)
        }


# ---------------------------------------------------------------------------------------------------------
# Relations


def proportion(a: sympy.Expr, b: sympy.Expr) -> sympy.Expr | None:
    """The real constant other than 0 that `b` is to be multiplied by for `a`; None where there is none."""
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    if a.free_symbols != b.free_symbols or not symbols or a.has(AppliedUndef) or b.has(AppliedUndef):
        return sympy.S.One if a == b and symbols else None
    for point in _points(symbols):
        below = b.subs(point)
        if below.is_zero is not False or not below.is_number:
            continue
        ratio = a.subs(point) / below
        value = _evaluate(ratio)
        if value is None or value[1] != 0 or value[0] == 0 or value[0].is_infinite:
            return None
        return ratio if same_expressions(a, ratio * b) else None
    return None


# ---------------------------------------------------------------------------------------------------------
# Digits

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

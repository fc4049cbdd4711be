"""Dates, numpy's arrays and sympy's numbers, taken apart and built again. Imported where one turns up."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

KIND_OF_ARRAY = re.compile(r"[<>=|]?(?:[biufc]\d{1,2}|[USO]\d*)")
CONSTANTS = (
    "Pi", "Exp1", "ImaginaryUnit", "Infinity", "NegativeInfinity", "ComplexInfinity", "NaN", "GoldenRatio",
    "EulerGamma", "Catalan",
)  # fmt: skip
DATES = ("datetime", "date", "time")
"""The first that a value is one of: a datetime is a date too."""
OPERATIONS = ("Add", "Mul", "Pow")


def take_apart(package: str, value: Any, encode: Callable[[Any], Any]) -> Any:
    """The value of a class in this top-level package as data; None for what is not handed over."""
    if package not in TAKERS:
        return None
    return TAKERS[package](value, encode)


# ---------------------------------------------------------------------------------------------------------
# datetime


def _take_date(value: Any, encode: Callable[[Any], Any]) -> Any:
    import datetime

    zone = value if isinstance(value, datetime.tzinfo) else getattr(value, "tzinfo", None)
    if zone is not None and type(zone) is not datetime.timezone:
        return None  # its rules are no data
    if isinstance(value, datetime.timedelta):
        return ["timedelta", value.days, value.seconds, value.microseconds]
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        name = next(name for name in DATES if isinstance(value, getattr(datetime, name)))
        return [name, value.isoformat(), getattr(value, "fold", 0)]
    return ["timezone", *_take_date(value.utcoffset(None), encode)[1:]] if zone is not None else None


def _build_date(data: Any) -> Any:
    import datetime

    name, *fields = data
    if name in ("timedelta", "timezone"):
        difference = datetime.timedelta(*fields)
        return difference if name == "timedelta" else datetime.timezone(difference)
    if name not in DATES:
        raise ValueError(f"there is no {name} in datetime")
    text, fold = fields
    value = getattr(datetime, name).fromisoformat(text)
    return value.replace(fold=fold) if fold else value


# ---------------------------------------------------------------------------------------------------------
# numpy


def _take_array(value: Any, encode: Callable[[Any], Any]) -> Any:
    """[kind, shape or None for a number, items in order]."""
    import numpy

    if type(value) is not numpy.ndarray and not isinstance(value, numpy.generic):
        return None  # some classes of arrays mean something else by their operators
    kind = value.dtype.str
    if not KIND_OF_ARRAY.fullmatch(kind):
        return None  # structured, or a date of numpy's
    if value.dtype.kind in "fc" and value.dtype.itemsize > (8 if value.dtype.kind == "f" else 16):
        kind = value.dtype.kind + ("8" if value.dtype.kind == "f" else "16")
        value = value.astype(kind)  # longer ones have no text of their own
    items = value.ravel().tolist()
    return [kind, list(value.shape) if isinstance(value, numpy.ndarray) else None, [encode(i) for i in items]]


def _build_array(data: Any) -> Any:
    import numpy

    kind, shape, items = data
    if not KIND_OF_ARRAY.fullmatch(kind):
        raise ValueError(f"no array has the kind {kind}")
    array = numpy.empty(len(items), dtype=kind)
    for place, item in enumerate(items):  # not at once: an item may be a list
        array[place] = item
    return array[0] if shape is None else array.reshape(shape)


# ---------------------------------------------------------------------------------------------------------
# sympy


def _take_expression(value: Any, encode: Callable[[Any], Any]) -> Any:
    """Numbers, constants, plain symbols, and sums, products and powers of such; by name, never as source.

    (sympy evaluates text that it is given as Python.)
    """
    import sympy

    name = type(value).__name__
    if isinstance(value, sympy.Float):
        return ["Float", [encode(int(part)) for part in value._mpf_], value._prec]
    if isinstance(value, sympy.Rational):  # integers too
        return ["Rational", encode(int(value.p)), encode(int(value.q))]
    if name in CONSTANTS:
        return [name]
    if isinstance(value, sympy.Symbol) and value == sympy.Symbol(value.name):
        return ["Symbol", value.name]
    if name in OPERATIONS and isinstance(value, sympy.Expr):
        parts = [_take_expression(part, encode) for part in value.args]
        return None if None in parts else [name, *parts]
    return None


def _build_expression(data: Any) -> Any:
    import sympy

    name, *parts = data
    if name in OPERATIONS:
        return getattr(sympy, name)(*map(_build_expression, parts))
    if name in CONSTANTS:
        return getattr(sympy.S, name)
    if name == "Symbol" and type(parts[0]) is str:
        return sympy.Symbol(parts[0])
    if name == "Rational" and all(type(part) is int for part in parts):
        return sympy.Rational(*parts)
    if name == "Float" and all(type(part) is int for part in (*parts[0], parts[1])):
        return sympy.Float(tuple(parts[0]), precision=parts[1])
    raise ValueError(f"there is no {name} in sympy")


TAKERS: dict[str, Callable[[Any, Callable[[Any], Any]], Any]] = {
    "datetime": _take_date,
    "numpy": _take_array,
    "sympy": _take_expression,
}
BUILDERS: dict[str, Callable[[Any], Any]] = {
    "datetime": _build_date,
    "numpy": _build_array,
    "sympy": _build_expression,
}

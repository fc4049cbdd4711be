"""What data read back from a file has to look like, said as data, and where it does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_COUNT = 2**63
MAX_DEPTH = 32
MAX_SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class Leaf:
    """A value by itself. `name` says in words what fits, with its article."""

    name: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class ListOf:
    """A list whose entries are all alike, `least` of them or more."""

    entry: Shape
    least: int = 0


@dataclass(frozen=True)
class MapOf:
    """A mapping from any text, with values that are all alike."""

    entry: Shape


@dataclass(frozen=True)
class Record:
    """A mapping with these keys; others may stand beside them. Optional ones may be missing."""

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)


Shape = Leaf | ListOf | MapOf | Record


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < MAX_COUNT and math.isfinite(value)


def is_shallow(value: Any, depth: int = MAX_DEPTH) -> bool:
    """Whether a value is nested no deeper than that, so that walking through it cannot overflow the stack."""
    level = [value]
    for _ in range(depth + 1):
        level = [
            entry
            for one in level
            if isinstance(one, dict | list)
            for entry in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return True
    return False


PLAIN = Leaf(f"a value nested at most {MAX_DEPTH} deep", is_shallow)
TEXT = Leaf("a text", lambda value: isinstance(value, str))
TEXT_OR_NONE = Leaf("a text or null", lambda value: value is None or isinstance(value, str))
FLAG = Leaf("true or false", lambda value: isinstance(value, bool))
COUNT = Leaf("a whole number from 0 on", lambda value: type(value) is int and 0 <= value < MAX_COUNT)
NUMBER = Leaf("a number from 0 on", lambda value: _is_number(value) and value >= 0)


def misfit(value: Any, shape: Shape, place: str = "") -> str | None:
    """The first place where a value is not of that shape, in words; None where it fits.

    `place` is the path to the value: `usage[0].seconds is 'x', where a number from 0 on is needed`.
    """
    if isinstance(shape, Leaf):
        return None if shape.fits(value) else _say(place, value, shape.name)
    if isinstance(shape, ListOf):
        if not isinstance(value, list) or len(value) < shape.least:
            return _say(place, value, f"a list with {shape.least} or more" if shape.least else "a list")
        parts: Iterator[tuple[str, Any, Shape]] = (
            (f"{place}[{index}]", entry, shape.entry) for index, entry in enumerate(value)
        )
    elif not isinstance(value, dict):
        return _say(place, value, "a mapping")
    elif isinstance(shape, MapOf):
        parts = ((_below(place, key), entry, shape.entry) for key, entry in value.items())
    else:
        if missing := next((key for key in shape.required if key not in value), None):
            return f"{_below(place, missing)} is missing"
        parts = _fields(value, shape, place)
    return next(filter(None, (misfit(part, inner, path) for path, part, inner in parts)), None)


def _fields(value: dict[str, Any], shape: Record, place: str) -> Iterator[tuple[str, Any, Shape]]:
    for key, inner in {**shape.required, **shape.optional}.items():
        if key in value:
            yield _below(place, key), value[key], inner


def _below(place: str, key: str) -> str:
    key = key if key.isidentifier() else ascii(key[:MAX_SHOWN_CHARACTERS])
    return f"{place}.{key}" if place else key


def _say(place: str, value: Any, needed: str) -> str:
    if isinstance(value, dict | list):
        shown = f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    else:
        shown = ascii(value)
    if len(shown) > MAX_SHOWN_CHARACTERS:
        shown = f"{shown[:MAX_SHOWN_CHARACTERS]}..."
    return f"{place or 'it'} is {shown}, where {needed} is needed"

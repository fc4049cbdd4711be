"""Kinds of plain values, as a type checker and pydantic both read them, and what is wrong with data in words.

Fields of dataclasses that are read from files have these types: nothing is turned into what it is not (no "5"
into 5, no 1 into true), and no number is too large for what reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, TypeVar, cast, get_args, get_type_hints

from pydantic import AfterValidator, ConfigDict, Field, Strict, TypeAdapter, ValidationError

from recursivemas.errors import UserError, did_you_mean

MAX_COUNT = 2**63
MAX_SHOWN_CHARACTERS = 40

Text = Annotated[str, Strict()]
Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict(), Field(gt=-MAX_COUNT, lt=MAX_COUNT)]
Count = Annotated[int, Strict(), Field(ge=0, lt=MAX_COUNT)]
Real = Annotated[float, Strict()]
"""NaN and infinity among them."""
Number = Annotated[float, Strict(), Field(ge=0, lt=MAX_COUNT, allow_inf_nan=False)]
"""From 0 on."""


def _check_moment(text: str) -> str:
    try:
        is_complete = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        is_complete = False
    if not is_complete:
        raise ValueError(f"it is {_shown(text)}; it has to be a time with its zone, as {now()}")
    return text


Moment = Annotated[str, Strict(), AfterValidator(_check_moment)]
"""A time by the wall clock with its zone, in ISO 8601."""

NO_OTHERS = ConfigDict(extra="forbid")
"""The `__pydantic_config__` of a dataclass that users write: a field that it does not have is an error."""

T = TypeVar("T")


def now() -> Moment:
    """By this machine's clock, in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


_WORDS = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "tuple_type": "a list, in brackets",
    "mapping_type": "a mapping",
    "dict_type": "a mapping",
    "too_short": "longer",
    "invalid_key": "a name, as text",
}
_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
_KEY = "[key]"
"""How pydantic's places say that it is a key that is wrong, not the value that stands there."""
TAG = "<"
"""How the tag of a union's member begins, which pydantic's places hold among the steps to a value."""


def read_as(kind: type[T], data: Any, where: str) -> T:
    """The data as that type. Raises UserError, with `where` it stands and the place in it, for any other."""
    try:
        return convert(kind, data)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


def convert(kind: type[T], data: Any) -> T:
    """The data as that type. Raises ValueError, with the place in it, for any other."""
    try:
        value: T = _adapter(cast(Any, kind)).validate_python(data)
    except ValidationError as error:
        raise ValueError(explain(error, kind)) from error
    return value


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def explain(error: ValidationError, kind: Any = None) -> str:
    """The first thing that is wrong: `usage[0].seconds is 'x'; it has to be a valid number`.

    A field that is unknown comes before one that is missing, as it may be that one misspelt. With the `kind`
    that was to be read it is told what stands in a mapping of that kind.
    """
    errors = error.errors(include_url=False)
    first = next((one for one in errors if one["type"] in _UNKNOWN), errors[0])
    location = first["loc"]
    place = _place(location)
    if first["type"] == "missing":
        return f"{place} is missing"
    if first["type"] in _UNKNOWN:
        known = _entries(kind, location[:-1])
        last = str(location[-1])
        return f"{place} is unknown{did_you_mean(last, known)}; known are {', '.join(known)}"
    if first["type"] == "value_error":
        return f"{place}: {first['ctx']['error']}" if place else str(first["ctx"]["error"])
    wanted = _WORDS.get(first["type"], first["msg"].removeprefix("Input should be "))
    if first["type"] == "dataclass_type":
        wanted = f"a mapping with {', '.join(_entries(kind, location)) or 'its fields'}"
    return f"{place or 'it'} is {_shown(first['input'])}; it has to be {wanted}"


def _entries(kind: Any, location: Sequence[int | str]) -> list[str]:
    """The names of the fields of the dataclass at that place of a kind, none where there is none."""
    for step in location:
        kind = _plain(get_type_hints(kind).get(str(step)) if is_dataclass(kind) else _last(kind))
    if not is_dataclass(kind):
        return []
    hints = get_type_hints(kind, include_extras=True)
    return [_name_in_file(spec.name, hints[spec.name]) for spec in fields(kind)]


def _name_in_file(name: str, hint: Any) -> str:
    """A field's alias, where what is written is no name."""
    return next((one.alias for one in getattr(hint, "__metadata__", ()) if getattr(one, "alias", None)), name)


def _plain(kind: Any) -> Any:
    """A kind without the choice of None."""
    return _last(kind) if type(None) in get_args(kind) else kind


def _last(kind: Any) -> Any:
    """What a sequence or a mapping of that kind holds."""
    return next((one for one in reversed(get_args(kind)) if one not in (type(None), ...)), None)


def _place(location: Sequence[int | str]) -> str:
    place = ""
    for step in location:
        if step == _KEY or str(step).startswith(TAG):
            continue
        if isinstance(step, int):
            place += f"[{step}]"
        else:
            key = step if step.isidentifier() else ascii(step[:MAX_SHOWN_CHARACTERS])
            place += f".{key}" if place else key
    return place


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    shown = ascii(value)
    return shown if len(shown) <= MAX_SHOWN_CHARACTERS else f"{shown[:MAX_SHOWN_CHARACTERS]}..."

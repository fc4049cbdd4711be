"""Settings as groups of options: dataclasses whose fields have a help text, nested where a group has parts.

Names of options are unique among all groups, so that they can be told flat: by flags, and in a run's record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from recursivemas.errors import UserError

T = TypeVar("T")


def option(default: Any, help_text: str, **metadata: Any) -> Any:
    """A field with its help text, its least value (`minimum`) or `choices`, `words` that stand for numbers,
    and whether it is `neutral` to the results or has a `recommended` value for a style and dataset."""
    return field(default=default, metadata={"help": help_text, **metadata})


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option, with the type of the group that it stands in."""

    group: type[Any]
    spec: Field[Any]
    kind: Any
    """Its type."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def default(self) -> Any:
        return self.spec.default

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.spec.metadata


def iterate_options(group: type[Any]) -> Iterator[Option]:
    """The options of a group and of its parts, in order."""
    kinds = get_type_hints(group)
    for spec in fields(group):
        if is_dataclass(kinds[spec.name]):
            yield from iterate_options(kinds[spec.name])
        else:
            yield Option(group=group, spec=spec, kind=kinds[spec.name])


def build(group: type[T], values: Mapping[str, Any]) -> T:
    """A group from values by name; those of other groups are left alone. Raises what the groups raise."""
    kinds = get_type_hints(group)
    given = {
        name: build(cast(Any, kind), values) if is_dataclass(kind) else values[name]
        for name, kind in kinds.items()
        if is_dataclass(kind) or name in values
    }
    return group(**given)


def flatten(group: Any) -> dict[str, Any]:
    """All values of a group and of its parts by name, in order."""
    values: dict[str, Any] = {}
    for spec in fields(group):
        value = getattr(group, spec.name)
        values |= flatten(value) if is_dataclass(value) else {spec.name: value}
    return values


def check_options(group: Any) -> None:
    """Hold a new group's values against types, least values and choices; whole numbers become floats where
    these are meant. Raises UserError."""
    kinds = get_type_hints(type(group))
    for spec in fields(group):
        if is_dataclass(kinds[spec.name]):
            continue
        value = _typed(getattr(group, spec.name), kinds[spec.name], spec.name)
        object.__setattr__(group, spec.name, value)
        least, words = spec.metadata.get("minimum"), spec.metadata.get("words", ())
        if words and isinstance(value, str):
            if value not in words:
                raise UserError(
                    f"{spec.name} is {value!r}; it has to be a whole number or {', '.join(words)}"
                )
            continue
        if least is not None and value is not None and value < least:
            raise UserError(f"{spec.name} is {value}; it has to be {least} or more")
        choices = spec.metadata.get("choices")
        if choices and value is not None and value not in choices:
            raise UserError(f"{spec.name} is {value!r}; it has to be one of {', '.join(choices)}")


def _typed(value: Any, kind: Any, name: str) -> Any:
    """The value if it is of that kind, whole numbers as floats where floats are meant."""
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if get_origin(kind) is tuple:
        kinds = (tuple,)
    if value == "" and type(None) in kinds:  # as of a shell's variable that is not set
        raise UserError(f"{name} is empty; give a value, or leave it out")
    if type(value) in kinds:
        return value
    if float in kinds and type(value) is int:
        return float(value)
    accepted = " or ".join("none" if one is type(None) else one.__name__ for one in kinds)
    raise UserError(f"{name} is {value!r}; it has to be of the type {accepted}")

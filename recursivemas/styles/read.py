"""Reading a style: a published one by its name, or a user's own from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from recursivemas.errors import UserError, did_you_mean
from recursivemas.styles.graph import AgentSpec, LinkSpec, Style
from recursivemas.styles.published import PUBLISHED_STYLES

T = TypeVar("T")


def load_style(style: str | Path | Mapping[str, Any] | Style) -> Style:
    """A style by its published name, from a YAML file, from a mapping of the same form, or as it is.

    Raises UserError for a name that is neither published nor a file, for a field that a style does not have,
    and for a graph that cannot run.
    """
    if isinstance(style, Style):
        return style
    if isinstance(style, Mapping):
        return _style_from_mapping(style, "the style")
    if str(style) in PUBLISHED_STYLES:
        return PUBLISHED_STYLES[str(style)]
    path = Path(style)
    if not path.is_file():
        raise UserError(
            f"style {str(style)!r} is neither a published style ({', '.join(PUBLISHED_STYLES)}) "
            f"nor a YAML file{did_you_mean(style, PUBLISHED_STYLES)}"
        )
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(data, Mapping):
        raise UserError(f"{path} holds no mapping; a style has name, agents and links (see docs/styles.md)")
    return _style_from_mapping({"name": path.stem, **data}, str(path))


def _style_from_mapping(data: Mapping[str, Any], where: str) -> Style:
    values = dict(data)
    for name, spec in (("agents", AgentSpec), ("links", LinkSpec)):
        rows = values.get(name, [])
        if not isinstance(rows, list):
            raise UserError(f"{where}: {name} has to be a list, one mapping each")
        values[name] = tuple(_build(spec, row, f"{where}: {name}[{index}]") for index, row in enumerate(rows))
    return _build(Style, values, where)


def _build(spec: type[T], row: Any, where: str) -> T:
    """`spec(**row)` with errors that name the field and the place."""
    if not isinstance(row, Mapping):
        raise UserError(f"{where} has to be a mapping, not {row!r}")
    if spec is LinkSpec:
        row = {"slot": row.get("source", ""), **row}
    known = {spec_field.name for spec_field in fields(spec)} - {"release_text"}  # type: ignore[arg-type]
    unknown = sorted(set(row) - known)
    if unknown:
        raise UserError(
            f"{where} has the unknown field {unknown[0]!r}{did_you_mean(unknown[0], known)}; known are "
            f"{', '.join(sorted(known))}"
        )
    values = dict(row)
    for spec_field in fields(spec):  # type: ignore[arg-type]
        if spec_field.name in row:
            place = f"{where}: {spec_field.name}"
            values[spec_field.name] = _typed(row[spec_field.name], str(spec_field.type), place)
    try:
        return spec(**values)
    except TypeError as error:
        raise UserError(f"{where}: {str(error).replace('__init__() ', '')}") from error


def _typed(value: Any, annotation: str, what: str) -> Any:
    """The value as that type. YAML gives numbers and words where text or a switch is meant."""
    if annotation == "tuple[str, ...]":
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise UserError(f"{what} is {value!r}; it has to be a list of names, in brackets")
        return tuple(value)
    accepted = {"str": (str, "text"), "bool": (bool, "true or false")}.get(annotation.removesuffix(" | None"))
    optional = annotation.endswith(" | None")
    if accepted and not isinstance(value, accepted[0]) and not (optional and value is None):
        raise UserError(f"{what} is {value!r}; it has to be {accepted[1]}")
    return value

"""Reading a style: a published one by its name, or a user's own from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError, did_you_mean
from recursivemas.files.own import parse_yaml, read_text
from recursivemas.styles.graph import Style
from recursivemas.styles.published import PUBLISHED_STYLES
from recursivemas.values import read_as


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
    data = parse_yaml(read_text(path, str(path)), str(path))
    if not isinstance(data, Mapping):
        raise UserError(f"{path} holds no mapping; a style has name, agents and links (see docs/styles.md)")
    return _style_from_mapping({"name": path.stem, **data}, str(path))


def _style_from_mapping(data: Mapping[str, Any], where: str) -> Style:
    """The style in plain data; a link fills the slot of its source's name unless it says another."""
    links = data.get("links", [])
    if isinstance(links, list):
        links = [_with_slot(link) for link in links]
    return read_as(Style, {**data, "links": links}, where)


def _with_slot(link: Any) -> Any:
    return {"slot": link.get("source"), **link} if isinstance(link, Mapping) else link

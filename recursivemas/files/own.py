"""Files that users write: their text, and the data in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from recursivemas.errors import UserError, unreadable


def read_text(path: Path, what: str) -> str:
    """The text of a UTF-8 file. Raises UserError, which says `what` it is, where there is none to be had."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{what} is not UTF-8 text: {error}; is it a YAML file?") from error
    except OSError as error:
        raise UserError(unreadable(path, error)) from error


def parse_yaml(text: str, what: str) -> Any:
    """The data in YAML text. Raises UserError for what is none, and for a key that stands twice."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise UserError(f"{what} is not valid YAML: {error}") from error
    except ValueError as error:  # a date that is none
        raise UserError(f"{what} is not valid YAML: {error}") from error
    except RecursionError as error:
        raise UserError(f"{what} is nested too deeply to be read") from error


MERGE = "tag:yaml.org,2002:merge"
"""The tag of the key `<<`, which puts in the entries of another mapping."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: plain YAML would keep the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key_node, _ in node.value:
            if key_node.tag == MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.append(key)
        return super().construct_mapping(node, deep)

"""Data with texts of several lines as YAML that people like to edit."""

from __future__ import annotations

from typing import Any

import yaml


def dump_yaml(data: Any) -> str:
    """The data as YAML in the order that it has, texts of several lines as block scalars."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as block scalars, also where a line ends in spaces or holds a tab."""

    def analyze_scalar(self, scalar: str) -> Any:
        analysis = super().analyze_scalar(scalar)
        analysis.allow_block = _is_printable(scalar)
        return analysis


def _is_printable(text: str) -> bool:
    return all(character.isprintable() or character in "\n\t" for character in text)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    block = "\n" in text.strip("\n") and _is_printable(text)
    style = "|" if block else None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)

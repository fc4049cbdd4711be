"""Finding tool calls in a text, and putting results into it.

A call is `<name> request </name>`, letter case aside. Its closing tag makes it, and belongs to the nearest
opening tag of that name before it; a closing tag without an opening one is text. No tag hides another: one in
a string of the code, or inside another tool's request, is a tag like any other, and an opening tag that was
only mentioned does no harm.

Source: protocol section 3, "Tools".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """What a text asks of the tool `name`: `content`, between tags that begin at `start` and end at `end`."""

    name: str
    content: str
    start: int
    end: int


def find_request(text: str, names: Sequence[str]) -> Request | None:
    """The first call of one of these tools in a text, None where there is none."""
    alternatives = "|".join(map(re.escape, names))
    opened: dict[str, re.Match[str]] = {}
    for tag in re.finditer(rf"<(/?)({alternatives})>", text, re.IGNORECASE | re.ASCII):
        name = tag[2].lower()
        if not tag[1]:
            opened[name] = tag
        elif name in opened:
            content = text[opened[name].end() : tag.start()]
            return Request(name, content, opened[name].start(), tag.end())
    return None


def may_end_request(text: str, names: Sequence[str]) -> bool:
    """Whether there is a closing tag in a text; quicker than looking for a whole call."""
    lower = text.lower()
    return any(f"</{name}>" in lower for name in names)


def as_block(result: str) -> str:
    """A result as it stands in the text, right behind the closing tag."""
    return f" <result> {result} </result>"


def defuse(text: str) -> str:
    """The text without anything that would end its block."""
    return re.sub(r"</(result)>", r"&lt;/\1&gt;", text, flags=re.IGNORECASE)

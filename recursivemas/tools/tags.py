"""Finding tool calls in a text, and putting results into it.

A call is `<name> request </name>`, letter case aside: an opening tag and the next closing tag of its name. An
opening tag that is never closed is text, and so is a closing tag without an opening one; another tool's tags
within a request are part of it.

Source: docs/protocol.md, "Tools".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """What a text asks of a tool."""

    name: str
    """The tool's."""
    content: str
    """What stands between the tags."""
    start: int
    """Where the opening tag begins."""
    end: int
    """Where the closing tag ends."""


def find_request(text: str, names: Sequence[str]) -> Request | None:
    """The first call of one of these tools in a text, None where there is none."""
    calls = (call for name in names if (call := _first_call(text, name)))
    return min(calls, key=lambda call: call.start, default=None)


def _first_call(text: str, name: str) -> Request | None:
    # Not one pattern for both tags: it would look for an end behind each of a thousand openings.
    opening = _tag(f"<{name}>").search(text)
    closing = opening and _tag(f"</{name}>").search(text, opening.end())
    if not opening or not closing:
        return None
    return Request(name, text[opening.end() : closing.start()], opening.start(), closing.end())


def _tag(spelled: str) -> re.Pattern[str]:
    return re.compile(re.escape(spelled), re.IGNORECASE | re.ASCII)


def may_end_request(text: str, names: Sequence[str]) -> bool:
    """Whether there is a closing tag in a text; quicker than looking for a whole call."""
    lower = text.lower()
    return any(f"</{name}>" in lower for name in names)


def as_block(result: str) -> str:
    """A result as it stands in the text, right behind the closing tag."""
    return f" <result> {result} </result>"


def defuse(text: str) -> str:
    """The text without anything that would end its block."""
    return text.replace("</result>", "< /result>")

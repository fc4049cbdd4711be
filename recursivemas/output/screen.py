"""Text on its way to a terminal."""

from __future__ import annotations

import re

STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters other than line ends and tabs, marks that turn the direction of writing, and halves of
surrogate pairs, which cannot be written."""


def harmless(text: str) -> str:
    """The text without what would steer the terminal: models, web pages and others' files have written it."""
    return STEERING.sub(lambda found: ascii(found[0])[1:-1], text)

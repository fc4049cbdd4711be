"""Text as it comes from the web, made fit to be read."""

from __future__ import annotations

CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")


def one_line(text: str) -> str:
    """Text without control characters and half surrogate pairs, white space collapsed."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(whole.translate(CONTROLS).split())


def shorten(text: str, max_characters: int) -> str:
    """Text of at most that many characters, cut after a word where one ends in the second half."""
    if len(text) <= max_characters:
        return text
    space = text.rfind(" ", max_characters // 2, max_characters)
    end = space if space != -1 else max_characters - 1  # some scripts have no spaces
    return f"{text[:end].rstrip()}…"

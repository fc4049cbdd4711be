r"""Mathematical answers as text: their tokens, the pieces between separators and brackets, plain numbers.

Nothing here computes, and nothing knows a spelling: `spelling` makes one of many.
"""

from __future__ import annotations

import re
from fractions import Fraction

_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|\s+|.", re.DOTALL)


def words(text: str) -> list[str]:
    """A table's entries, written one after the other."""
    return text.split()


def tokens(text: str) -> list[str]:
    r"""LaTeX commands, escaped characters, runs of white space, and single characters."""
    return _TOKEN.findall(text)


def tidy(text: str) -> str:
    """A normalised text without the white space that TeX does not show."""
    text = re.sub(r"\s+", " ", text)
    words = r"[A-Za-z0-9]"
    return re.sub(rf" (?!{words})|(?<!{words}) ", "", text)


def take_group(rest: list[str], opening: str, closing: str) -> str:
    """The group that the first token opens, brackets and all, taken off; to the end if unclosed."""
    depth, group = 0, []
    while rest:
        token = rest.pop(0)
        group.append(token)
        depth += (token == opening) - (token == closing)
        if depth == 0:
            break
    return "".join(group)


# ---------------------------------------------------------------------------------------------------------
# Splitting

_OPENING = frozenset(("(", "[", "{", r"\{", r"\langle", r"\lfloor", r"\lceil", r"\begin"))
_CLOSING = frozenset((")", "]", "}", r"\}", r"\rangle", r"\rfloor", r"\rceil", r"\end"))


def split(text: str, separators: frozenset[str]) -> tuple[list[str], list[str]]:
    """The pieces between separators that stand outside all brackets, and those separators.

    `\\text{...}` counts as one token, without the white space inside. Brackets may close with another kind
    than they opened with, as half-open intervals do.
    """
    pieces: list[str] = []
    found: list[str] = []
    current: list[str] = []
    depth = 0
    for token in _whole_texts(text):
        if depth == 0 and (token in separators or _word_of(token) in separators):
            pieces.append("".join(current))
            found.append(token)
            current = []
            continue
        depth += (token in _OPENING) - (token in _CLOSING)
        depth = max(depth, 0)
        current.append(token)
    return [*pieces, "".join(current)], found


_WHOLE_TEXT = re.compile(r"\\text\{[^{}]*\}|\\[A-Za-z]+\*?|\\.|\s+|.", re.DOTALL)


def _whole_texts(text: str) -> list[str]:
    return _WHOLE_TEXT.findall(text)


def _word_of(token: str) -> str:
    return token[len(r"\text{") : -1].strip(" ,").lower() if token.startswith(r"\text{") else ""


def enclosed(text: str) -> tuple[str, str, str] | None:
    """(opening, inside, closing) where one pair of brackets encloses the whole text, else None."""
    found = [token for token in _whole_texts(text) if not token.isspace()]
    if len(found) < 2 or found[0] not in _OPENING or found[-1] not in _CLOSING or found[0] == r"\begin":
        return None
    depth = 0
    for index, token in enumerate(found):
        depth += (token in _OPENING) - (token in _CLOSING)
        if depth == 0 and index < len(found) - 1:
            return None
    if depth != 0:
        return None
    return found[0], text.strip()[len(found[0]) : -len(found[-1])], found[-1]


# ---------------------------------------------------------------------------------------------------------
# Numbers

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)\s*(?:(?P<grouped>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?: [0-9]{3})+)|(?P<digits>[0-9]*))"
    r"(?:\.(?P<decimals>[0-9]*))?(?:[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
)


def plain_number(text: str) -> Fraction | None:
    """The exact value of a normalised text that is one decimal number, thousands separators and all."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    whole = re.sub(r"[, ]", "", match["grouped"] or match["digits"] or "")
    decimals = match["decimals"] or ""
    if not whole + decimals:
        return None
    value = Fraction(_int(whole + decimals)) / 10 ** len(decimals)
    value *= Fraction(10) ** int(match["exponent"] or 0)
    return -value if match["sign"] == "-" else value


def _int(digits: str) -> int:
    """int() without its limit of some thousand digits."""
    value = 0
    for start in range(0, len(digits), 4000):
        piece = digits[start : start + 4000]
        value = value * 10 ** len(piece) + int(piece)
    return value

r"""Answers that are one number or words: decimals, fractions, digits in a base, an option's letter."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from recursivemas.grading.maths.forms import Expression, Number, NumberInBase, Option, Reading, Words
from recursivemas.grading.maths.text import plain_number, words

Read = Callable[[str], Reading]

_FRACTION = re.compile(
    r"(?P<sign>[+-]?)\s*(?:\\frac\s*\{\s*(?P<over>-?[0-9]+)\s*\}\{\s*(?P<under>-?[0-9]+)\s*\}"
    r"|(?P<left>[0-9]+)\s*/\s*(?P<right>[0-9]+))"
)
_REPEATING = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d*)\.(?P<head>\d*)\\overline\{(?P<tail>\d+)\}(?:\\ldots)?"
)
_AND_SO_ON = re.compile(r"(?P<sign>[+-]?)(?P<whole>\d*)\.(?P<head>\d*?)(?P<tail>\d+?)(?P=tail){2,}\s*\\ldots")
r"""Digits that stand there three times at least, and dots: `0.1666\ldots`."""


def read_number(text: str, read: Read) -> Reading | None:
    if (value := plain_number(text)) is not None:
        return Number(value)
    if match := _REPEATING.fullmatch(text) or _AND_SO_ON.fullmatch(text.strip()):
        value = repeating_decimal(match["whole"], match["head"], match["tail"])
        return Number(-value if match["sign"] == "-" else value)
    fraction = _FRACTION.fullmatch(text)
    if fraction is None:
        return None
    over, under = int(fraction["over"] or fraction["left"]), int(fraction["under"] or fraction["right"])
    if under == 0:
        return None
    return Number(Fraction(-over if fraction["sign"] == "-" else over, under))


def repeating_decimal(whole: str, head: str, tail: str) -> Fraction:
    """The value of `whole.head` with `tail` repeated behind it for ever, all of them digits."""
    over = int(whole + head + tail) - int(f"0{whole}{head}")
    return Fraction(over, (10 ** len(tail) - 1) * 10 ** len(head))


# ---------------------------------------------------------------------------------------------------------
# Words

_PLAIN_WORDS = re.compile(r"[A-Za-z][A-Za-z'’ .,-]*")
_SHORT_WORDS = frozenset(words("yes no odd even true false none dne all both"))
_MATHS_WORDS = re.compile(r"(?i)\b(?:sin|cos|tan|cot|sec|csc|log|ln|exp|max|min|gcd|lcm|det)\b")
_MEANINGS: tuple[tuple[re.Pattern[str], Reading], ...] = (
    (
        re.compile(r"(?:there (?:is|are) )?no (?:real )?solutions?(?: exists?)?|(?:the )?(?:empty|null) set"),
        Expression(r"\emptyset"),
    ),
    (
        re.compile(
            r"(?:(?:the )?set of )?(?:all|any|every|the) (?:real numbers?|reals?)(?: x)?"
            r"|x (?:is|can be) any real number"
        ),
        Expression(r"\mathbb{R}"),
    ),
    (re.compile(r"dne|(?:it |the limit )?does not exist"), Words("does not exist")),
)


def read_words(text: str, read: Read) -> Reading | None:
    """`\\text{...}` all through, or plain words; one that holds digits is read again without `\\text`."""
    if re.fullmatch(r"(?:\\text\{[^{}]*\}\s*)+", text):
        inside = re.sub(r"\\text\{([^{}]*)\}", r"\1", text).strip()
        if re.search(r"[0-9\\]", inside):
            return read(inside)
        return _meaning(inside) if plain_words(inside) else None
    if re.fullmatch(r"[A-J][).]", text):
        return Words(text[0])
    if not _PLAIN_WORDS.fullmatch(text) or _MATHS_WORDS.search(text):
        return None
    found = re.findall(r"[A-Za-z']+", text)
    short = {word.lower() for word in found} <= _SHORT_WORDS or re.fullmatch(r"[A-Z]{3}", text)
    if short or any(len(word) > 3 for word in found):
        return _meaning(text)
    return None


_NAMED_OPTION = re.compile(r"(?i:option|choice|answer) ([a-j])")


def _meaning(text: str) -> Reading:
    plain = re.sub(r"^(?:an?|the) (?=\w{2})", "", plain_words(text))
    if named := _NAMED_OPTION.fullmatch(plain):
        return Words(named[1].upper())
    return next((reading for pattern, reading in _MEANINGS if pattern.fullmatch(plain)), Words(plain))


def plain_words(text: str) -> str:
    """Lower case (but a single letter as it is), no punctuation, single spaces."""
    text = " ".join(re.sub(r"[\\{}().,:;!?\"'\[\]_*-]", " ", text.replace("'", "")).split())
    return text if len(text) == 1 else text.lower()


_OPTION = re.compile(
    r"(?:\\text\{\s*\((?P<in_text>[A-J])\)\s*(?P<said>[^{}]*)\}|\((?P<bare>[A-J])\)(?=\s))\s*(?P<body>.*)",
    re.DOTALL,
)


def read_option(text: str, read: Read) -> Reading | None:
    match = _OPTION.fullmatch(text)
    if match is None:
        return None
    body = f"{match['said'] or ''} {match['body']}".strip()
    if not body or body[0] in "+-/^_=<>*":
        return None
    return Option(match["in_text"] or match["bare"], read(body))


# ---------------------------------------------------------------------------------------------------------
# Bases

_IN_BASE = re.compile(
    r"(?:\(|\{|\\overline\s*\{|\\text\{)*\s*(?P<digits>[0-9][0-9A-Fa-f ]*|[A-Fa-f]{2,}[0-9A-Fa-f ]*)[)}\s]*"
    r"(?:_[\s{(]*(?:\\text\{\s*)?(?:base\b\s*)?|(?:\\text\{|[\s(])*(?:in\s+)?base\b)"
    r"(?:[\s{}(]|\\text)*(?P<base>[0-9]{1,2}|[a-z]+)[\s)}]*"
)
_BASE_WORDS = {
    word: base
    for base, word in enumerate(
        words("two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"),
        2,
    )
} | {"binary": 2, "octal": 8, "hexadecimal": 16}
_LETTERED_BASE = 16
"""What letters alone can be digits of: `AB_{16}`, but `ab_{11}` is a product."""


def read_base(text: str, read: Read) -> Reading | None:
    match = _IN_BASE.fullmatch(text)
    if match is None:
        return None
    named = match["base"]
    base = int(named) if named.isdigit() else _BASE_WORDS.get(named, 0)
    digits = match["digits"].replace(" ", "").upper()
    if digits.isalpha() and base != _LETTERED_BASE:
        return None
    digits = digits.lstrip("0") or "0"
    if not 2 <= base <= 36 or any(int(digit, 36) >= base for digit in digits):
        return None
    return Number(Fraction(int(digits))) if base == 10 else NumberInBase(digits, base)

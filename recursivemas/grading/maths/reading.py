r"""A mathematical answer's structure: lists, sets, tuples, intervals, matrices, units, names, words.

`read` takes an answer's LaTeX apart down to expressions, which `equality` hands to math-verify's parser.
Structure is read here because that parser is loose about it: it takes `12:00` for a number, drops a number's
base, and does not tell a point from an open interval.
"""

from __future__ import annotations

import re
from fractions import Fraction

from recursivemas.grading.maths.forms import (
    Bracketed,
    Equation,
    Expression,
    Inequality,
    Listing,
    Matrix,
    Named,
    Number,
    NumberInBase,
    Quantity,
    Reading,
    SetOperation,
    Words,
)
from recursivemas.grading.maths.text import enclosed, normalise, plain_number, split, tidy, words
from recursivemas.grading.maths.units import SCALES, take_unit

MAX_INTEGER_LENGTH = 200


def read(answer: str) -> Reading | None:
    """An answer's structure; None where there is nothing to read."""
    text = normalise(answer)
    return _read(text) if text else None


def read_integer(answer: str) -> int | None:
    """The integer that an answer gives, perhaps with a name or a unit; None where it gives none outright."""
    if len(answer) > MAX_INTEGER_LENGTH:
        return None
    reading = read(answer)
    while isinstance(reading, Equation | Quantity):
        if isinstance(reading, Equation) and not reading.names:
            return None
        reading = reading.body
    if not isinstance(reading, Number) or reading.value.denominator != 1:
        return None
    return reading.value.numerator


def _read(text: str) -> Reading:
    text = _unwrap(text.strip())
    for reader in _READERS:
        if (reading := reader(text)) is not None:
            return reading
    return Expression(tidy(text))


def _unwrap(text: str) -> str:
    """Without braces or parentheses around the whole, unless they hold several things."""
    while (pair := enclosed(text)) is not None and (pair[0], pair[2]) in (("{", "}"), ("(", ")")):
        inside = pair[1].strip()
        if not inside or (pair[0] == "(" and len(split(inside, _COMMAS)[0]) > 1):
            break
        text = inside
    return text


# ---------------------------------------------------------------------------------------------------------
# Numbers and words

_FRACTION = re.compile(
    r"(?P<sign>[+-]?)\s*(?:\\frac\s*\{\s*(?P<over>-?[0-9]+)\s*\}\{\s*(?P<under>-?[0-9]+)\s*\}"
    r"|(?P<left>[0-9]+)\s*/\s*(?P<right>[0-9]+))"
)
_PLAIN_WORDS = re.compile(r"[A-Za-z][A-Za-z'’ .,-]*")
_SHORT_WORDS = frozenset(words("yes no odd even true false none dne all both"))
_MATHS_WORDS = re.compile(r"(?i)\b(?:sin|cos|tan|cot|sec|csc|log|ln|exp|max|min|gcd|lcm|det)\b")


def _read_number(text: str) -> Reading | None:
    if (value := plain_number(text)) is not None:
        return Number(value)
    fraction = _FRACTION.fullmatch(text)
    if fraction is None:
        return None
    over, under = int(fraction["over"] or fraction["left"]), int(fraction["under"] or fraction["right"])
    if under == 0:
        return None
    return Number(Fraction(-over if fraction["sign"] == "-" else over, under))


def _read_words(text: str) -> Reading | None:
    """`\\text{...}` all through, or plain words; one that holds digits is read again without `\\text`."""
    if re.fullmatch(r"(?:\\text\{[^{}]*\}\s*)+", text):
        inside = re.sub(r"\\text\{([^{}]*)\}", r"\1", text).strip()
        if re.search(r"[0-9]", inside):
            return _read(inside)
        return Words(plain_words(inside)) if plain_words(inside) else None
    if not _PLAIN_WORDS.fullmatch(text) or _MATHS_WORDS.search(text):
        return None
    found = re.findall(r"[A-Za-z']+", text)
    short = {word.lower() for word in found} <= _SHORT_WORDS or re.fullmatch(r"[A-Z]{3}", text)
    if short or any(len(word) > 3 for word in found):
        return Words(plain_words(text))
    return None


def plain_words(text: str) -> str:
    """Lower case (but a single letter as it is), no punctuation, single spaces."""
    text = " ".join(re.sub(r"[\\{}().,:;!?\"'\[\]_*-]", " ", text.replace("'", "")).split())
    return text if len(text) == 1 else text.lower()


def _read_base(text: str) -> Reading | None:
    match = _IN_BASE.fullmatch(text)
    if match is None:
        return None
    word = (match["word"] or match["text_word"] or "").lower()
    base = _BASE_WORDS.get(word, 0) if word else int(match["base"])
    digits = re.sub(r"[\s,]|\\text|[{}]", "", match["digits"]).upper().lstrip("0") or "0"
    if not 2 <= base <= 36 or any(int(digit, 36) >= base for digit in digits):
        return None
    return Number(Fraction(int(digits))) if base == 10 else NumberInBase(digits, base)


_IN_BASE = re.compile(
    r"(?P<digits>[0-9][0-9A-Fa-f ,]*|\\text\{[0-9A-Fa-f]+\})\s*"
    r"(?:_\s*\{?\s*(?:(?P<base>[0-9]{1,2})|\\text\{\s*(?P<word>[a-z]+)\s*\})\s*\}?"
    r"|\\text\{\s*base (?P<text_word>[a-z]+)\s*\})"
)
_BASE_WORDS = {
    word: base
    for base, word in enumerate(
        words("two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"),
        2,
    )
}

# ---------------------------------------------------------------------------------------------------------
# Several answers

_COMMAS = frozenset((",", ";"))
_JOINERS = frozenset((*_COMMAS, "and", "or"))
_BARE_JOINER = re.compile(r",?\s+(and|or)\s+(?=\S)")


def _read_listing(text: str) -> Reading | None:
    if r"\text" not in text:
        text = _BARE_JOINER.sub(r" \\text{\1} ", text)
    pieces, found = split(text, _JOINERS)
    pieces = [piece for piece in pieces if piece.strip()]
    if len(pieces) < 2 and not _has_both_signs(text):
        return None
    items = tuple(item for piece in pieces for item in _both_signs(piece))
    joiners = [word for word in ("or", "and") if any(word in joiner for joiner in found)]
    return Listing(items, joiners[0] if joiners else ",")


def _has_both_signs(text: str) -> bool:
    return text.count(r"\pm") == 1 and r"\mp" not in text and enclosed(text) is None


def _both_signs(text: str) -> tuple[Reading, ...]:
    r"""The two answers of `a \pm b`, else the one."""
    if not _has_both_signs(text):
        return (_read(text),)
    before, _, after = text.partition(r"\pm")
    plus = "" if not before.strip() or before.strip()[-1] in "=({" else "+"
    return (_read(f"{before}{plus}{after}"), _read(f"{before}-{after}"))


def _read_brackets(text: str) -> Reading | None:
    pair = enclosed(text)
    if pair is None or pair[0] in (r"\lfloor", r"\lceil"):
        return None
    opening, inside, closing = pair
    if opening == r"\langle":
        opening, closing = "(", ")"
    pieces = split(inside, _COMMAS)[0]
    if opening == r"\{" and not inside.strip():
        return Expression(r"\emptyset")
    if any(not piece.strip() for piece in pieces) or r"\ldots" in inside:
        return None
    if opening == r"\{":
        return Bracketed(opening, tuple(item for piece in pieces for item in _both_signs(piece)), r"\}")
    if len(pieces) < 2 or opening == "{":
        return None
    return Bracketed(opening, tuple(_read(piece) for piece in pieces), closing)


def _read_ratio(text: str) -> Reading | None:
    pieces = split(text, frozenset(":"))[0]
    if len(pieces) < 2 or any(not piece.strip() for piece in pieces):
        return None
    return Bracketed(":", tuple(_read(piece) for piece in pieces), ":")


_MATRIX = re.compile(
    r"\\begin\{([pbB]?matrix|smallmatrix|array)\}(?:\{[lcr| ]*\})?"
    r"(?P<body>(?:(?!\\begin|\\end).)*)\\end\{\1\}",
    re.DOTALL,
)


def _read_matrix(text: str) -> Reading | None:
    pair = enclosed(text)
    match = _MATRIX.fullmatch(pair[1].strip() if pair and pair[0] in "([" else text)
    if match is None:
        return None
    rows = [row for row in re.split(r"\\\\(?:\[[^\]]*\])?", match["body"]) if row.strip()]
    cells = [[cell.strip() for cell in row.split("&")] for row in rows]
    if not cells or len({len(row) for row in cells}) > 1 or not all(all(row) for row in cells):
        return None
    return Matrix(tuple(tuple(_read(cell) for cell in row) for row in cells))


# ---------------------------------------------------------------------------------------------------------
# Sets and relations

_SET_OPERATORS = (r"\cup", r"\cap", r"\setminus")


def _read_set_operation(text: str) -> Reading | None:
    for operator in _SET_OPERATORS:
        pieces = split(text, frozenset((operator,)))[0]
        if len(pieces) > 1 and all(piece.strip() for piece in pieces):
            return SetOperation(operator, tuple(_read(piece) for piece in pieces))
    return None


_RELATIONS = frozenset(("=", "<", ">", r"\le", r"\ge", r"\ne", r"\in", r"\approx", r"\equiv"))
_FLIPPED = {">": "<", r"\ge": r"\le"}
_VARIABLE = re.compile(r"\\?[A-Za-z]+(?:_(?:\w|\{\w+\}))?")


_NUMBERS_IN_NAMES = re.compile(r"_(?:\{\w+\}|\w)|(?<=[fghpEFGHP])\([^()]*\)")


def _read_relation(text: str) -> Reading | None:
    sides, found = split(text, _RELATIONS)
    sides = [side.strip() for side in sides]
    if not found or not all(sides):
        return None
    if found[-1] == r"\approx" and (len(found) == 1 or set(found[:-1]) == {"="}):
        return _read_approximation(sides)
    if found == [r"\in"]:
        return Named(tidy(sides[0]), _read(sides[1]))
    if set(found) == {"="}:
        return _read_equation(sides)
    if len(found) == 2:
        return _read_between(sides, found)
    if len(found) == 1 and found[0] in ("<", ">", r"\le", r"\ge", r"\ne"):
        return _read_inequality(sides[0], found[0], sides[1])
    return None


def _read_equation(sides: list[str]) -> Reading:
    left, right = sides[0], sides[-1]
    own_numbers = re.search(r"[0-9]", _NUMBERS_IN_NAMES.sub("", left))
    return Equation(tidy(left), tidy(right), _read(right), names=own_numbers is None)


def _read_approximation(sides: list[str]) -> Reading:
    """What is rounded, where that is given (`x = 1/3 \\approx 0.33`), else the rounded value."""
    exact = sides[:-1] if re.search(r"[0-9]|\\pi", sides[-2]) else sides
    return _read(exact[0]) if len(exact) == 1 else _read_equation(exact)


def _read_inequality(left: str, operator: str, right: str) -> Reading:
    """A ray where a variable stands alone on one side and not on the other."""
    if operator in _FLIPPED:
        left, operator, right = right, _FLIPPED[operator], left
    open_end = operator == "<"
    if operator != r"\ne" and _stands_alone(left, right):
        return Named(
            tidy(left),
            Bracketed("(", (Expression(r"-\infty"), _read(right)), ")" if open_end else "]"),
        )
    if operator != r"\ne" and _stands_alone(right, left):
        return Named(
            tidy(right), Bracketed("(" if open_end else "[", (_read(left), Expression(r"\infty")), ")")
        )
    return Inequality(tidy(left), operator, tidy(right))


def _read_between(sides: list[str], operators: list[str]) -> Reading | None:
    """`a < x <= b` as the interval that it says x lies in."""
    if all(operator in _FLIPPED for operator in operators):
        sides, operators = sides[::-1], [_FLIPPED[operator] for operator in operators[::-1]]
    if not set(operators) <= {"<", r"\le"}:
        return None
    low, name, high = sides
    if not _stands_alone(name, low) or not _stands_alone(name, high):
        return None
    return Named(
        tidy(name),
        Bracketed(
            "(" if operators[0] == "<" else "[",
            (_read(low), _read(high)),
            ")" if operators[1] == "<" else "]",
        ),
    )


def _stands_alone(name: str, other: str) -> bool:
    return _VARIABLE.fullmatch(name) is not None and not re.search(
        rf"(?<![A-Za-z\\]){re.escape(name)}(?![A-Za-z])", other
    )


# ---------------------------------------------------------------------------------------------------------
# Units


def _read_quantity(text: str) -> Reading | None:
    if text.endswith("%"):
        return _read_percent(text[:-1])
    body, unit = take_unit(text)
    if not unit:
        return None
    if unit == "percent":
        return _read_percent(body)
    scale, _, rest = unit.partition(" ")
    if scale in SCALES:
        scaled = _scaled(body, SCALES[scale])
        return Quantity(scaled, rest) if rest else scaled
    reading = _read(body)
    return Quantity(reading.body, unit) if isinstance(reading, Quantity) else Quantity(reading, unit)


def _read_percent(body: str) -> Reading:
    return _scaled(body.strip(), -2)


def _scaled(body: str, power: int) -> Reading:
    value = plain_number(body)
    if value is not None:
        return Number(value * Fraction(10) ** power)
    factor = rf"\frac{{1}}{{{10**-power}}}" if power < 0 else str(10**power)
    return Expression(tidy(rf"({body})\cdot {factor}"))


_READERS = (
    _read_number,
    _read_words,
    _read_listing,
    _read_relation,
    _read_set_operation,
    _read_matrix,
    _read_brackets,
    _read_base,
    _read_ratio,
    _read_quantity,
)

r"""A mathematical answer's structure: lists, sets, tuples, intervals, matrices, units, names, words.

`read` takes an answer's LaTeX apart down to expressions, which `equality` hands to math-verify's parser.
Structure is read here because that parser is loose about it: it takes `12:00` for a number, drops a number's
base, and does not tell a point from an open interval.
"""

from __future__ import annotations

import re
from fractions import Fraction

from recursivemas.grading.maths.dress import unlabel
from recursivemas.grading.maths.forms import (
    Bracketed,
    Equation,
    Expression,
    Listing,
    Matrix,
    Number,
    Percent,
    Quantity,
    Ratio,
    Reading,
)
from recursivemas.grading.maths.literals import Read, read_base, read_number, read_option, read_words
from recursivemas.grading.maths.relations import read_relation, read_set_builder, read_set_operation
from recursivemas.grading.maths.spelling import normalise
from recursivemas.grading.maths.text import enclosed, plain_number, split, tidy
from recursivemas.grading.maths.unit_names import SCALES
from recursivemas.grading.maths.units import Unit, take_unit

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
        if isinstance(reading, Equation) and not (reading.names or _says_one_thing(reading)):
            return None
        if isinstance(reading, Quantity) and not reading.unit.known:
            return None
        reading = reading.body
    if not isinstance(reading, Number) or reading.value.denominator != 1:
        return None
    return reading.value.numerator


def _says_one_thing(equation: Equation) -> bool:
    return all(side == equation.body for side in equation.between)


def _read(text: str) -> Reading:
    text = _unwrap(unlabel(text))
    for reader in _READERS:
        if (reading := reader(text, _read)) is not None:
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
# Several answers

_COMMAS = frozenset((",", ";"))
_JOINERS = frozenset((*_COMMAS, "and", "or"))
_BARE_JOINER = re.compile(r",?\s+(and|or)\s+(?=\S)|(?<=[)\]}])\s*(and|or)\s*(?=[(\[\\])")


def _read_listing(text: str, read: Read) -> Reading | None:
    if r"\text" not in text:
        text = _BARE_JOINER.sub(lambda match: rf" \text{{{match[1] or match[2]}}} ", text)
    pieces, found = split(text, _JOINERS)
    pieces = [piece for piece in pieces if piece.strip()]
    if len(pieces) < 2 and not _has_both_signs(text):
        return None
    items = tuple(item for piece in pieces for item in _both_signs(piece, read))
    joiners = [word for word in ("or", "and") if any(word in joiner for joiner in found)]
    return Listing(items, joiners[0] if joiners else ",")


def _has_both_signs(text: str) -> bool:
    signs = (text.count(r"\pm"), text.count(r"\mp"))
    return max(signs) == 1 and enclosed(text) is None


def _both_signs(text: str, read: Read) -> tuple[Reading, ...]:
    r"""The two answers of `a \pm b`, else the one."""
    if not _has_both_signs(text):
        return (read(text),)
    return tuple(
        read(_with_sign(_with_sign(text, r"\pm", upper), r"\mp", lower)) for upper, lower in ("+-", "-+")
    )


def _with_sign(text: str, both: str, sign: str) -> str:
    before, found, after = text.partition(both)
    if not found:
        return text
    leads = not before.strip() or before.strip()[-1] in "=({"
    return f"{before}{'' if leads and sign == '+' else sign}{after}"


_OUTWARD = re.compile(r"(?:\](?P<from_open>[^()\[\]]+)[\])\[]|[(\[](?P<to_open>[^()\[\]]+)\[)")


def _read_outward_interval(text: str, read: Read) -> Reading | None:
    """`]1, 2]`, as an interval that leaves its end out is also written."""
    match = _OUTWARD.fullmatch(text)
    inside = (match["from_open"] or match["to_open"]) if match else ""
    if len(split(inside, _COMMAS)[0]) != 2:
        return None
    return read(f"{'(' if text[0] in '](' else '['}{inside}{')' if text[-1] in '[)' else ']'}")


def _read_brackets(text: str, read: Read) -> Reading | None:
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
        items = tuple(item for piece in pieces for item in _both_signs(piece, read))
        return Bracketed(opening, items, r"\}")
    if len(pieces) < 2 or opening == "{":
        return None
    return Bracketed(opening, tuple(read(piece) for piece in pieces), closing)


_CLOCK = re.compile(r"\d{1,2}:[0-5]\d(?::[0-5]\d)?")


def _read_ratio(text: str, read: Read) -> Reading | None:
    pieces = split(text.replace(r"\text{ to }", ":"), frozenset(":"))[0]
    if len(pieces) < 2 or any(not piece.strip() for piece in pieces):
        return None
    return Ratio(tuple(read(piece) for piece in pieces), _CLOCK.fullmatch(text.replace(" ", "")) is not None)


_MATRIX = re.compile(
    r"\\begin\{([pbB]?matrix|smallmatrix|array)\}(?:\{[lcr| ]*\})?"
    r"(?P<body>(?:(?!\\begin|\\end).)*)\\end\{\1\}",
    re.DOTALL,
)


def _read_matrix(text: str, read: Read) -> Reading | None:
    pair = enclosed(text)
    match = _MATRIX.fullmatch(pair[1].strip() if pair and pair[0] in "([" else text)
    if match is None:
        return None
    rows = [row for row in re.split(r"\\\\(?:\[[^\]]*\])?", match["body"]) if row.strip()]
    cells = [[cell.strip() for cell in row.split("&")] for row in rows]
    if not cells or len({len(row) for row in cells}) > 1 or not all(all(row) for row in cells):
        return None
    return Matrix(tuple(tuple(read(cell) for cell in row) for row in cells))


# ---------------------------------------------------------------------------------------------------------
# Units


def _read_quantity(text: str, read: Read) -> Reading | None:
    if text.endswith("%"):
        return _read_percent(text[:-1], read)
    found = take_unit(text)
    if found is None:
        return None
    body, unit = found
    if unit.name == "percent":
        return _read_percent(body, read)
    scale, _, rest = unit.name.partition(" ")
    if unit.known and scale in SCALES:
        scaled = _scaled(body, SCALES[scale])
        return Quantity(scaled, Unit(rest)) if rest else scaled
    reading = read(body)
    if isinstance(reading, Quantity) and unit.known:
        # Money before and behind, or something like `$5 per hour`: the last word names it
        reading = reading.body
    return Quantity(reading, unit)


def _read_percent(body: str, read: Read) -> Reading:
    return Percent(_scaled(body.strip(), -2), read(body))


def _scaled(body: str, power: int) -> Reading:
    value = plain_number(body)
    if value is not None:
        return Number(value * Fraction(10) ** power)
    factor = rf"\frac{{1}}{{{10**-power}}}" if power < 0 else str(10**power)
    return Expression(tidy(rf"({body})\cdot {factor}"))


_READERS = (
    read_number,
    read_words,
    read_base,
    read_set_builder,
    _read_outward_interval,
    _read_listing,
    read_relation,
    read_set_operation,
    _read_matrix,
    _read_brackets,
    read_option,
    _read_ratio,
    _read_quantity,
)

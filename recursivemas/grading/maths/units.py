r"""Units of measure and money at the ends of an answer.

Units are compared by name and never converted: `3 \text{ cm}` is `3 \text{ centimeters}` but not `0.03 m`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from recursivemas.grading.maths.unit_names import LENGTHS, QUALIFIERS, SCALES, unit_of


@dataclass(frozen=True)
class Unit:
    r"""What stands beside a value, by one name for all its spellings.

    `known` is false for words that are no unit (`\text{ squared}`, `\text{ or more}`): they change the value,
    for all that can be told, and cannot be left out.
    """

    name: str
    known: bool = True


_POWER_BEFORE = {"square": "^2", "sq": "^2", "cubic": "^3", "cu": "^3"}
_POWER_BEHIND = {"squared": "^2", "cubed": "^3"}
_PER = frozenset(("per", "/", "an", "a"))
_TEXT = r"\\text\{[^{}]*\}"
_POWER = r"\^\s*\{?\s*-?[0-9]\s*\}?"
_TEXT_UNIT = re.compile(
    rf"^(?P<body>.*?\S)\s*(?P<unit>{_TEXT}(?:\s*(?:{_TEXT}|/|\\cdot|{_POWER}))*)$", re.DOTALL
)
_DEGREES = re.compile(
    r"^(?P<body>.*\S)\s*\^\s*\\circ(?P<scale>\s*(?:\\text\{\s*[CF]\s*\}|[CF]))?$", re.DOTALL
)
_DEGREES_ABOVE = re.compile(r"^(-?\s*\\frac)\{([^{}]+)\^\s*\\circ\s*\}\{([^{}]+)\}$")
_WORD_UNIT = re.compile(
    r"^(?P<body>.*[0-9}])(?P<space>\s*)"
    rf"(?P<unit>[A-Za-z]+\.?(?:\s*{_POWER})?(?:(?:\s*/\s*|\s+)[A-Za-z]+\.?(?:\s*{_POWER})?)*)$",
    re.DOTALL,
)
_MONEY = re.compile(r"^(?P<sign>[+-]?\s*)\\(?P<name>dollar|euro|pounds)\s*(?P<body>\S.*)$", re.DOTALL)
_MONEY_BEHIND = re.compile(r"^(?P<body>.*\S)\s*\\(?P<name>dollar|euro|pounds)\s*$", re.DOTALL)
_MONEY_NAMES = {"dollar": "dollar", "euro": "euro", "pounds": "pound sterling"}
_PART = re.compile(rf"[A-Za-z]+|/|{_POWER}")
_MAX_PARTS = 8


def take_unit(text: str) -> tuple[str, Unit] | None:
    r"""(what stands before or after the unit, the unit) of a normalised text; None where it has none.

    A unit is money, a degree sign (unless a trigonometric function takes it), a closing `\text{...}`, or
    names of units in plain text after a number.
    """
    for find in (_take_money, _take_degrees, _take_text, _take_words):
        if (found := find(text)) is not None:
            return found
    return None


def take_letter_unit(text: str) -> tuple[str, Unit] | None:
    """Also such a unit as the letters of `60m` and `9m/s`, which may be variables as well."""
    match = _WORD_UNIT.match(text)
    name = unit_name(match["unit"]) if match else ""
    return (match["body"], Unit(name)) if match and name else None


def _take_money(text: str) -> tuple[str, Unit] | None:
    if match := _MONEY.match(text):
        return match["sign"].strip() + match["body"], Unit(_MONEY_NAMES[match["name"]])
    if match := _MONEY_BEHIND.match(text):
        return match["body"], Unit(_MONEY_NAMES[match["name"]])
    return None


def _take_degrees(text: str) -> tuple[str, Unit] | None:
    text = _DEGREES_ABOVE.sub(r"\1{\2}{\3}^\\circ", text)
    match = _DEGREES.match(text)
    if match is None or re.search(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)", text):
        return None
    scale = re.sub(r"[^CF]", "", (match["scale"] or "").replace(r"\text", ""))
    return match["body"], Unit(f"degree {scale}".strip())


def _take_text(text: str) -> tuple[str, Unit] | None:
    match = _TEXT_UNIT.match(text)
    if match is None:
        return None
    written = re.sub(r"\\text\{\s*\(?([^{}()]*)\)?\s*\}", r" \1 ", match["unit"])
    name = unit_name(written)
    if name:
        return match["body"], Unit(name)
    label = " ".join(re.findall(r"[a-z0-9/^]+", written.lower().replace(".", "")))
    return (match["body"], Unit(label, known=False)) if label else None


def _take_words(text: str) -> tuple[str, Unit] | None:
    """Single letters count only where they make up something like `m/s`, with a space before it."""
    match = _WORD_UNIT.match(text)
    if match is None:
        return None
    lone = [word for word in re.findall(r"[A-Za-z]+", match["unit"]) if len(word) < 2]
    if lone and not (match["space"] and "/" in match["unit"]):
        return None
    name = unit_name(match["unit"])
    return (match["body"], Unit(name)) if name else None


def unit_name(text: str) -> str:
    """One name for a unit's spellings, with `^` and `/` kept; empty where a word is no unit."""
    text = re.sub(r"\bper\s+cent\b", "percent", text.replace(r"\cdot", " "))
    found = [re.sub(r"[\s{}]", "", part) for part in _PART.findall(text)]
    if not found or len(found) > _MAX_PARTS or re.sub(rf"{_PART.pattern}|[\s.{{}}]", "", text):
        return ""
    parts: list[str] = []
    power = ""
    for index, part in enumerate(found):
        word = part.lower()
        if word == "of" and parts and index + 1 < len(found):
            break  # cups of flour, degrees of arc
        if word in QUALIFIERS:
            continue
        if word in _POWER_BEFORE and index + 1 < len(found) and unit_of(found[index + 1]) in LENGTHS:
            power = _POWER_BEFORE[word]
        elif word in _POWER_BEHIND and parts and parts[-1] in LENGTHS:
            parts.append(_POWER_BEHIND[word])
        elif part.startswith("^") and parts and parts[-1][0].isalpha():
            parts.append(part)
        elif word in _PER and (parts or word == "per"):
            parts.append("/")
        elif word in SCALES and not parts:
            parts.append(word)
        elif name := unit_of(part):
            parts += [name, power] if power else [name]
            power = ""
        else:
            return ""
    name = " ".join(parts).replace(" ^", "^")
    return "" if name.endswith("/") else name

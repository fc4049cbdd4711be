r"""Units of measure and money at the ends of an answer.

Units are compared by name and never converted: `3 \text{ cm}` is `3 \text{ centimeters}` but not `0.03 m`.
"""

from __future__ import annotations

import re

from recursivemas.grading.maths.text import words

_NAMES = {
    "degree": "degree degrees deg",
    "dollar": "dollar dollars usd",
    "euro": "euro euros",
    "pound sterling": "sterling",
    "cent": "cent cents",
    "percent": "percent pct percentage",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "cm": "cm cms centimeter centimeters centimetre centimetres",
    "m": "m meter meters metre metres",
    "km": "km kms kilometer kilometers kilometre kilometres",
    "inch": "in inch inches",
    "foot": "ft foot feet",
    "yard": "yd yard yards",
    "mile": "mi mile miles",
    "second": "s sec secs second seconds",
    "minute": "min mins minute minutes",
    "hour": "h hr hrs hour hours",
    "day": "day days",
    "gram": "g gram grams",
    "kilogram": "kg kilogram kilograms",
    "ounce": "oz ounce ounces",
    "pound": "lb lbs pound pounds",
    "liter": "l liter liters litre litres",
    "milliliter": "ml milliliter milliliters",
    "unit": "unit units",
    "mph": "mph",
    "kph": "kph",
    "radian": "rad radian radians",
}
_CANONICAL = {spelling: name for name, spellings in _NAMES.items() for spelling in spellings.split()}
SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
"""Words that multiply, with the power of ten."""

_NO_UNIT = frozenset(
    words(
        "and or not no more less than least most over under above below about approximately around mod "
        "modulo base to from minus plus times negative positive if when where for is are at any all "
        "each either neither dozen half halves third thirds quarter double twice with without except only "
        "undefined"
    )
)
"""Words that change what the number before them says."""
_FUNCTIONS = frozenset(
    words("sin cos tan cot sec csc log ln exp sqrt pi max min gcd lcm det arg infinity inf")
)

_POWER_WORDS = {"square": "2", "sq": "2", "squared": "2", "cubic": "3", "cu": "3", "cubed": "3"}
_TEXT = r"\\text\{[^{}]*\}"
_POWER = r"\^\s*\{?\s*-?[0-9]\s*\}?"
_TEXT_UNIT = re.compile(
    rf"^(?P<body>.*\S)\s*(?P<unit>{_TEXT}(?:\s*(?:{_TEXT}|/|\\cdot|{_POWER}))*)$", re.DOTALL
)
_DEGREES = re.compile(
    r"^(?P<body>.*\S)\s*\^\s*\\circ(?P<scale>\s*(?:\\text\{\s*[CF]\s*\}|[CF]))?$", re.DOTALL
)
_WORD_UNIT = re.compile(
    r"^(?P<body>.*[0-9}])(?P<space>\s*)"
    rf"(?P<unit>[A-Za-z]{{2,}}(?:\s*{_POWER})?(?:(?:\s*/\s*|\s+)[A-Za-z]+(?:\s*{_POWER})?)*)$",
    re.DOTALL,
)
_MONEY = re.compile(r"^(?P<sign>[+-]?\s*)\\(?P<name>dollar|euro|pounds)\s+(?P<body>.+)$", re.DOTALL)
_MONEY_AFTER = re.compile(r"^(?P<body>.*\S)\s*\\(?P<name>dollar|euro|pounds)\s*$", re.DOTALL)
_MONEY_NAMES = {"dollar": "dollar", "euro": "euro", "pounds": "pound sterling"}


def take_unit(text: str) -> tuple[str, str]:
    r"""(what stands before or after the unit, the unit's name) of a normalised text; the name may be empty.

    A unit is money, a degree sign (unless a trigonometric function takes it), a closing `\text{...}` of a few
    words, or such words in plain text after a number. Words that change the number (`or more`, `mod`) are no
    unit.
    """
    for find in (_take_money, _take_degrees, _take_text, _take_words):
        if (found := find(text)) is not None:
            return found
    return text, ""


def _take_money(text: str) -> tuple[str, str] | None:
    if match := _MONEY.match(text):
        return match["sign"].strip() + match["body"], _MONEY_NAMES[match["name"]]
    if match := _MONEY_AFTER.match(text):
        return match["body"], _MONEY_NAMES[match["name"]]
    return None


def _take_degrees(text: str) -> tuple[str, str] | None:
    match = _DEGREES.match(text)
    if match is None or re.search(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)", text):
        return None
    scale = re.sub(r"[^CF]", "", (match["scale"] or "").replace(r"\text", ""))
    return match["body"], f"degree {scale}".strip()


def _take_text(text: str) -> tuple[str, str] | None:
    match = _TEXT_UNIT.match(text)
    if match is None:
        return None
    name = _name_of(re.sub(r"\\text\{([^{}]*)\}", r" \1 ", match["unit"]))
    return (match["body"], name) if name else None


def _take_words(text: str) -> tuple[str, str] | None:
    match = _WORD_UNIT.match(text)
    if match is None:
        return None
    found = [word.lower() for word in re.findall(r"[A-Za-z]+", match["unit"])]
    known = all(word in _CANONICAL or word in _POWER_WORDS or word == "per" for word in found)
    spelt_out = bool(match["space"]) and all(len(word) > 2 for word in found)
    if not (known or spelt_out) or _FUNCTIONS & set(found):
        return None
    name = _name_of(match["unit"])
    return (match["body"], name) if name else None


def _name_of(text: str) -> str:
    """One name for a unit's spellings, with `^` and `/` kept; empty where the words are no unit."""
    found = re.findall(r"[A-Za-z]+|/|\^\s*\{?\s*(?:-?[0-9])\s*\}?", text.replace(r"\cdot", " "))
    rest = re.sub(r"[A-Za-z]+|/|\^\s*\{?\s*-?[0-9]\s*\}?|[\s.{}]", "", text.replace(r"\cdot", " "))
    letters = [part.lower() for part in found if part[0].isalpha()]
    if rest or not letters or len(letters) > 4 or _NO_UNIT & set(letters):
        return ""
    parts: list[str] = []
    power = ""
    for part in found:
        word = part.lower()
        if word in _POWER_WORDS and word in ("squared", "cubed"):
            parts.append(f"^{_POWER_WORDS[word]}")
        elif word in _POWER_WORDS:
            power = f"^{_POWER_WORDS[word]}"
        elif part.startswith("^"):
            parts.append("^" + re.sub(r"[^-0-9]", "", part))
        elif word in ("per", "/"):
            parts.append("/")
        else:
            parts.append(_CANONICAL.get(word, _singular(word)) + power)
            power = ""
    return "".join(part if part[0] in "^/" else f" {part}" for part in parts).strip()


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word

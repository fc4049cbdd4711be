r"""Wrong answers: an answer with a digit, a sign, a factor, a bound, a unit or the like changed.

A change may happen to keep the value (two equal digits change places): `paraphrases` drops what is the same
text, and who reads its list of accepted answers judges the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from random import Random

from answers.looks import (
    DEGREES,
    FRACTION,
    IN_BASE,
    MATRIX,
    QUANTITY,
    SURD,
    Kind,
    is_interval,
    is_value,
    items_of,
    list_items,
    parts_of_fraction,
    plain_integer,
)

_CHANGING_WORDS = (
    r"\text{ squared}", r"\text{ factorial}", r"\mathrm{i}", r"\text{k}", r"\text{ or more}",
    r"\mathrm{e}", r"\text{ per mille}", r"\text{ halved}", r"\text{ reciprocal}", "!", "^2", "x", "%",
    r"\pi", r"\text{ rejected}", r"\text{ million}", "_7", r" \pmod 7", "'", r"\text{ hundred}",
    r"\text{ squared roots}", r"\text{M}",
)  # fmt: skip


def other_digit(gold: str) -> Iterable[str]:
    for match in re.finditer(r"\d", gold):
        for step in (1, 3, 7):
            digit = (int(match[0]) + step) % 10
            yield f"{gold[: match.start()]}{digit}{gold[match.end() :]}"


def digits_swapped(gold: str) -> Iterable[str]:
    for match in re.finditer(r"(\d)(\d)", gold):
        if match[1] != match[2]:
            yield f"{gold[: match.start()]}{match[2]}{match[1]}{gold[match.end() :]}"


def digit_dropped(gold: str) -> Iterable[str]:
    for match in re.finditer(r"\d(?=\d)|(?<=\d)\d", gold):
        if "." in gold and match[0] == "0" and match.end() == len(gold):
            continue  # the last zero of a decimal number
        yield gold[: match.start()] + gold[match.end() :]


def other_sign(gold: str) -> Iterable[str]:
    if is_value(gold) and gold.strip("0"):
        yield f"-({gold})" if re.search(r"[+-]", gold[1:]) else gold[1:] if gold[0] == "-" else f"-{gold}"
    for match in re.finditer(r"(?<=[\w)} ])([+-])", gold):
        yield f"{gold[: match.start()]}{'-' if match[1] == '+' else '+'}{gold[match.end() :]}"
    for match in re.finditer(r"(?<=[(,&\[{\\ ])-(?=[\d\\])", gold):
        yield gold[: match.start()] + gold[match.end() :]


def fraction_upside_down(gold: str) -> Iterable[str]:
    for match in FRACTION.finditer(gold):
        over, under = match[2] or match[3], match[4] or match[5]
        if over not in (under, "0"):
            for other in (rf"\frac{{{under}}}{{{over}}}", over, rf"\frac{{{over}}}{{{int(under) + 1}}}"):
                yield gold[: match.start()] + match[1] + other + gold[match.end() :]


def rounded(gold: str) -> Iterable[str]:
    if parts := parts_of_fraction(gold):
        value = Fraction(parts[1], parts[2])
        for digits in (2, 3, 6):
            text = f"{float(value):.{digits}f}"
            if Fraction(text) != value:
                yield parts[0] + text
        if parts[2] != 100:
            yield rf"{parts[0]}{parts[1]}\%"
    if r"\pi" in gold:
        yield from (gold.replace(r"\pi", r"\cdot 3.14"), gold.replace(r"\pi", ""))
    if match := SURD.fullmatch(gold):
        yield f"{int(match[1] or 1) * int(match[2] or match[3]) ** 0.5:.4f}"


def scaled(gold: str) -> Iterable[str]:
    if is_value(gold) and gold not in ("0", "-0"):
        yield from (
            rf"10({gold})",
            rf"\frac{{{gold}}}{{2}}",
            rf"2({gold})",
            rf"({gold})^{{-2}}+1",
            rf"{gold}+10^{{-30}}",
        )
        yield from (rf"({gold})\%", rf"100({gold})")


def factor_dropped(gold: str) -> Iterable[str]:
    for match in SURD.finditer(gold):
        inside = match[2] or match[3]
        for other in (
            rf"\sqrt{{{inside}}}" if match[1] not in ("", "1") else rf"2\sqrt{{{inside}}}",
            f"{match[1]}({inside})",
        ):
            yield gold[: match.start()] + other + gold[match.end() :]
        yield rf"{gold[: match.start()]}{match[1]}\sqrt{{{int(inside) + 1}}}{gold[match.end() :]}"
        yield rf"{gold[: match.start()]}{match[1]}\sqrt[3]{{{inside}}}{gold[match.end() :]}"


def letter_changed(gold: str) -> Iterable[str]:
    for match in re.finditer(r"(?<![\\A-Za-z{])[a-zA-Z](?![A-Za-z])", gold):
        letter = "w" if match[0] != "w" else "u"
        yield gold[: match.start()] + letter + gold[match.end() :]
        if match[0] not in "ixy" and match[0].swapcase() != match[0]:
            yield gold[: match.start()] + match[0].swapcase() + gold[match.end() :]
    if match := re.fullmatch(r"\\text\{(\(?)(\w+)(\)?)\}", gold):
        word = match[2]
        other = chr((ord(word[-1].upper()) - 64) % 5 + 65) if len(word) == 1 else word[::-1]
        yield from (
            rf"\text{{{match[1]}{other}{match[3]}}}",
            other,
            rf"\text{{not {word}}}",
            rf"\text{{{word}s}}",
        )
        yield from (rf"\text{{{word} or {other}}}", rf"\text{{{word}}}, \text{{{other}}}")


def words_behind(gold: str) -> Iterable[str]:
    if is_value(gold) and gold not in ("0", "1", "-1"):
        body = f"({gold})" if re.search(r".[+-]", gold) else gold
        yield from (body + words for words in _CHANGING_WORDS if gold not in ("2", "-2") or words != "!")


def items_changed(gold: str) -> Iterable[str]:
    """Points in another order, intervals with other ends, lists with an item less or more."""
    if found := items_of(gold):
        opening, items, closing = found
        turned = items[1:] + items[:1]
        yield from (
            f"{opening}{', '.join(turned)}{closing}",
            ", ".join(items),
            f"{opening}{', '.join(items[:-1])}{closing}",
        )
        yield from (rf"\{{{', '.join(items)}\}}", f"{opening}{', '.join([*items, '1'])}{closing}")
        yield from (f"{'[' if opening == '(' else '('}{', '.join(items)}{closing}",)
        yield from (f"{opening}{', '.join(items)}{']' if closing == ')' else ')'}", items[0], items[-1])
        if not is_interval(gold):
            names = "xyzwuv"[: len(items)]
            yield ", ".join(f"{name}={item}" for name, item in zip(names, turned, strict=True))
    if items := list_items(gold):
        yield from (
            ", ".join(items[:-1]),
            f"{gold}, 99",
            f"({', '.join(items)})",
            rf"[{', '.join(items)}]",
            items[0],
        )
        yield from (" + ".join(items), ", ".join(f"{item}1" for item in items))


def relation_changed(gold: str) -> Iterable[str]:
    if is_interval(gold) and (found := items_of(gold)):
        low, high = found[1]
        for sign in ("<", r"\le"):
            for other in ("<", r"\le"):
                if (sign == "<", other == "<") != (found[0] == "(", found[2] == ")") and "infty" not in gold:
                    yield f"{low} {sign} x {other} {high}"
        yield from (f"x > {high}", f"x < {low}", rf"x \ne {low}")
    if r"\cup" in gold:
        parts = [part.strip() for part in gold.split(r"\cup")]
        yield from (
            *parts,
            gold.replace(r"\cup", r"\cap"),
            gold.replace("(", "["),
            r"\mathbb{R}",
            ", ".join(parts),
        )
        yield gold.replace(r"\cup", r"\setminus")
    if r"\pm" in gold:
        yield from (gold.replace(r"\pm", "+"), gold.replace(r"\pm", "-"), gold.replace(r"\pm", r"\cdot"))
    if match := re.fullmatch(r"(.+) ?= ?(.+)", gold):
        yield from (
            f"{match[1]} = {match[2]} + 1",
            f"{match[1]} < {match[2]}",
            f"2({match[1]}) = {match[2]}+7",
            match[1],
        )
        yield from (f"{match[1]} \\ne {match[2]}", f"{match[1]} = 2({match[2]}+1)")


def unit_changed(gold: str) -> Iterable[str]:
    if (match := QUANTITY.fullmatch(gold)) and not DEGREES.fullmatch(gold):
        value = match[1]
        for unit in ("miles", "hours", "kg"):
            yield rf"{value}\text{{ {unit}}}"
        yield from (
            f"{gold}^3" if not match[3] else gold.replace("^2", "^3"),
            f"\\${value}",
            rf"{value}^\circ",
        )
    if match := DEGREES.fullmatch(gold):
        value = match[1]
        yield from (
            rf"{value}\text{{ radians}}",
            rf"{value}\text{{ cm}}",
            rf"\${value}",
            rf"{value}\%",
            rf"\frac{{{value}\pi}}{{180}}",
        )
    if gold.startswith(r"\$"):
        value = gold[2:]
        yield from (
            rf"{value}\text{{ cents}}",
            rf"{value}^\circ",
            rf"{value}\%",
            rf"€{value}",
            rf"\${value}\text{{ million}}",
        )
    if match := IN_BASE.fullmatch(gold):
        digits, base = match.groups()
        yield from (
            digits,
            f"{digits}_{{{int(base) + 1}}}",
            str(int(digits, int(base))),
            f"{digits}^{base}",
            f"{digits[::-1]}_{base}" if digits != digits[::-1] else f"{digits}0_{base}",
        )


def matrix_changed(gold: str) -> Iterable[str]:
    if match := MATRIX.fullmatch(gold):
        rows = [row.strip() for row in match[1].split(r"\\")]
        if "&" not in match[1]:
            yield rf"\begin{{pmatrix}} {' & '.join(rows)} \end{{pmatrix}}"
        yield from (rf"\begin{{pmatrix}} {row} \end{{pmatrix}}" for row in rows)
        if rows != rows[::-1]:
            turned = r" \\ ".join(reversed(rows))
            yield rf"\begin{{pmatrix}} {turned} \end{{pmatrix}}"
        yield from (rf"2 {gold}", rf"-{gold}")


def near(gold: str) -> Iterable[str]:
    if (digits := plain_integer(gold)) is not None:
        value = int(digits)
        for step in (1, 2, 10, 100, 1000):
            yield from (str(value + step), str(value - step))
        yield from (
            f"{value}.5",
            f"{value}.001",
            f"{value}{value or 1}",
            f"{value}, {value + 1}",
            f"{value},{abs(value) % 10}",
        )
        yield from (
            rf"{value}\frac{{1}}{{2}}",
            rf"\text{{not }}{value}",
            rf"x > {value}",
            rf"\sqrt{{{value * value + 1}}}",
        )
        yield from (
            rf"\frac{{{value}}}{{3}} = {value}" if value else "3 = 0",
            rf"-x = {value}" if value else "-1",
            rf"{value}_{{8}}",
        )


WRONG: tuple[Kind, ...] = (
    other_digit,
    digits_swapped,
    digit_dropped,
    other_sign,
    fraction_upside_down,
    rounded,
    scaled,
    factor_dropped,
    letter_changed,
    words_behind,
    items_changed,
    relation_changed,
    unit_changed,
    matrix_changed,
    near,
)


def others(gold: str, golds: list[str], count: int, random: Random) -> list[str]:
    """Answers to other questions that differ in more than a unit or the way that numbers are written."""
    return [other for other in random.sample(golds, min(count, len(golds))) if _bare(other) != _bare(gold)]


def _bare(gold: str) -> str:
    gold = re.sub(
        r"\\(?:text|mbox)\{ [^}]*\}(?:\^2)?|\^\\circ|\\\$|\\!|,(?= ?\d{3})|\w ?= ?|[\s{}\\]|[dt](?=frac)",
        "",
        gold,
    )
    return "".join(sorted(gold)) if gold.count(",") == 1 and "(" not in gold else gold

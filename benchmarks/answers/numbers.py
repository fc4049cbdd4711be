r"""Other ways to write a number, with its unit, base or percentage, kind by kind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

from answers.looks import (
    BASES,
    COMPLEX,
    DECIMAL,
    DEGREES,
    IN_BASE,
    MONEY,
    OF_PI,
    QUANTITY,
    SURD,
    Kind,
    parts_of_fraction,
    plain_integer,
)


def thousands(gold: str) -> Iterable[str]:
    digits = plain_integer(gold)
    if digits and len(digits.lstrip("-")) > 3:
        grouped = f"{int(digits):,}"
        for comma in (",", "{,}", r",\!", r"\,", ",\\! "):
            yield grouped.replace(",", comma)
        yield from (digits, f"x = {grouped}", rf"{grouped}\text{{ units}}", f"{grouped} units")


def integer_otherwise(gold: str) -> Iterable[str]:
    if (digits := plain_integer(gold)) is None:
        return
    value = int(digits)
    yield from (f"{value}.0", rf"\frac{{{2 * value}}}{{2}}", rf"\frac{{{3 * value}}}{{3}} = {value}")
    yield from (f"{value - 1}+1", rf"2 \cdot {Fraction(value, 2)}" if value % 2 == 0 else f"{value}/1")
    if value > 1:
        yield from (
            rf"\sqrt{{{value * value}}}",
            f"√{value * value}",
            f"{value} units",
            rf"{value}\text{{ ways}}",
        )
    if value and value % 100 == 0:
        yield rf"{value // 100}\times 10^2"


def fraction_otherwise(gold: str) -> Iterable[str]:
    if (parts := parts_of_fraction(gold)) is None:
        return
    sign, over, under = parts
    for command in (r"\frac", r"\dfrac", r"\tfrac"):
        yield rf"{sign}{command}{{{over}}}{{{under}}}"
    if over < 10 and under < 10:
        yield from (
            rf"{sign}\frac{over}{under}",
            rf"{sign}\frac {over} {under}",
            rf"{sign}\dfrac{over}{under}",
        )
    yield from (f"{sign}{over}/{under}", f"{sign}{over} / {under}", rf"{sign}{{{over} \over {under}}}")
    yield from (
        rf"{sign}\frac{{{2 * over}}}{{{2 * under}}}",
        rf"\frac{{{2 * over}}}{{{2 * under}}} = {gold}" if not sign else gold,
    )
    yield rf"{sign}\left(\frac{{{over}}}{{{under}}}\right)"
    if sign:
        yield from (rf"\frac{{-{over}}}{{{under}}}", rf"\frac{{{over}}}{{-{under}}}")
    if over > under:
        yield rf"{sign}{over // under}\frac{{{over % under}}}{{{under}}}" if over % under else gold
    if over >= 1000:
        yield rf"{sign}\frac{{{over:,}}}{{{under}}}"


def fraction_as_decimal(gold: str) -> Iterable[str]:
    if (parts := parts_of_fraction(gold)) is None:
        return
    value = Fraction(parts[1], parts[2])
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1:
        digits = f"{float(value):.12f}".rstrip("0")
        if Fraction(digits) == value:
            yield from (parts[0] + digits, parts[0] + digits.removeprefix("0"), f"{parts[0]}{digits}0")
            yield rf"{parts[0]}{float(value * 100):.12g}\%"
    elif value.denominator in (3, 9, 11, 33, 99):
        whole, part = divmod(value * 99, 99)
        tail = f"{int(part):02d}" if value.denominator % 11 == 0 else f"{int(part) // 11}"
        for bar in (r"\overline{%s}", r"\bar{%s}"):
            yield f"{parts[0]}{whole}.{bar % tail}"


def decimal_otherwise(gold: str) -> Iterable[str]:
    if DECIMAL.fullmatch(gold) is None:
        return
    value = Fraction(gold)
    yield from (
        rf"\frac{{{value.numerator}}}{{{value.denominator}}}",
        f"{value.numerator}/{value.denominator}",
    )
    yield from (f"{gold}0", f"0{gold}" if gold.startswith(".") else gold.removeprefix("0"))
    yield rf"{float(value * 100):g}\%"
    mantissa, _, exponent = f"{float(value):e}".partition("e")
    yield rf"{mantissa.rstrip('0').rstrip('.')} \times 10^{{{int(exponent)}}}"


def mixed_number(gold: str) -> Iterable[str]:
    if match := re.fullmatch(r"(\d+) ?\\frac\{(\d+)\}\{(\d+)\}", gold):
        whole, over, under = map(int, match.groups())
        value = Fraction(whole * under + over, under)
        yield from (
            rf"\frac{{{value.numerator}}}{{{value.denominator}}}",
            f"{value.numerator}/{value.denominator}",
        )
        yield from (
            rf"{whole}\tfrac{{{over}}}{{{under}}}",
            f"{whole} {over}/{under}",
            rf"{whole}+\frac{{{over}}}{{{under}}}",
        )


def surd_otherwise(gold: str) -> Iterable[str]:
    if match := SURD.fullmatch(gold):
        factor, inside = match[1], match[2] or match[3]
        yield from (
            rf"\sqrt{{{int(factor or 1) ** 2 * int(inside)}}}",
            f"{factor}√{inside}",
            f"{factor}√({inside})",
        )
        times = f"{factor}*" if factor else ""
        yield from (
            f"{times}sqrt({inside})",
            rf"{factor}\sqrt {{{inside}}}",
            rf"{factor}\cdot {inside}^{{1/2}}" if factor else f"{inside}^{{1/2}}",
        )
        if factor:
            yield from (
                rf"\sqrt{{{inside}}}\cdot {factor}",
                rf"{factor} \cdot \sqrt{{{inside}}}",
                rf"{factor}\,\sqrt{{{inside}}}",
            )
    if match := re.fullmatch(r"\\frac\{(\d*)\\sqrt\{(\d+)\}\}\{(\d+)\}", gold):
        factor, inside, under = match[1] or "1", match[2], match[3]
        yield rf"\frac{{{int(factor) * int(inside)}}}{{{under}\sqrt{{{inside}}}}}"
        yield from (
            rf"\frac{{{factor}}}{{{under}}}\sqrt{{{inside}}}",
            f"{match[1]}√{inside}/{under}",
            f"{factor}*sqrt({inside})/{under}",
        )
        yield rf"{{{match[1]}\sqrt{{{inside}}} \over {under}}}"


def pi_otherwise(gold: str) -> Iterable[str]:
    if match := OF_PI.fullmatch(gold):
        factor = match[1]
        yield from (f"{factor}π", f"{factor}*pi", f"{factor}pi", rf"{factor}\cdot\pi", rf"\pi \cdot {factor}")
        yield rf"\frac{{{2 * int(factor)}\pi}}{{2}}"
        if int(factor) > 99:
            yield rf"{int(factor) * 10:,}\pi/10"


def complex_otherwise(gold: str) -> Iterable[str]:
    if match := COMPLEX.fullmatch(gold):
        real, sign, imaginary = match.groups()
        lead = "-" if sign == "-" else ""
        yield from (
            rf"{real}{sign}{imaginary}\mathrm{{i}}",
            rf"{real} {sign} {imaginary}\text{{i}}",
            f"{real}{sign}{imaginary}*i" if imaginary else gold,
        )
        yield from (
            f"{lead}{imaginary}i + {real}" if real[0] != "-" else f"{lead}{imaginary}i {real}",
            f"z = {gold}",
        )


def in_base_otherwise(gold: str) -> Iterable[str]:
    if match := IN_BASE.fullmatch(gold):
        digits, base = match.groups()
        lowered = base.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
        yield from (
            f"{digits}_{{{base}}}",
            f"{digits}_{base}",
            f"({digits})_{base}",
            f"{{{digits}}}_{{{base}}}",
        )
        yield from (
            rf"{digits}_{{\text{{{BASES[int(base)]}}}}}",
            rf"{digits} \text{{ base }} {base}",
            f"{digits}{lowered}",
        )
        yield from (
            rf"{digits} \text{{ (base {base})}}",
            f"{digits} base {base}",
            f"{digits}_{{({base})}}",
            f"x = {digits}_{base}",
        )


def degrees_otherwise(gold: str) -> Iterable[str]:
    if match := DEGREES.fullmatch(gold):
        value = match[1]
        yield from (
            value,
            rf"{value}^{{\circ}}",
            f"{value}°",
            rf"{value}\text{{ degrees}}",
            f"{value} degrees",
        )
        yield from (rf"{value}\degree", rf"x = {value}^\circ", rf"\angle A = {value}^\circ")


def money_otherwise(gold: str) -> Iterable[str]:
    if match := MONEY.fullmatch(gold):
        amount = re.sub(r"[,\\! ]", "", match[1])
        grouped = f"{int(amount):,}" if amount.isdigit() else amount
        yield from (
            amount,
            rf"\${amount}",
            rf"\${grouped}",
            f"${grouped}",
            rf"{grouped}\text{{ dollars}}",
            f"{grouped} dollars",
        )


def unit_otherwise(gold: str) -> Iterable[str]:
    if (match := QUANTITY.fullmatch(gold)) and match[2] not in ("and", "or", "degrees"):
        value, unit, power = match[1], match[2], match[3] or ""
        yield from (
            value,
            rf"{value} \text{{ {unit}}}{power}",
            rf"{value}\ \mathrm{{{unit}}}{power}",
            f"{value} {unit}{power}",
        )
        if power:
            yield rf"{value} \text{{ square {unit}}}"


NUMBERS: tuple[Kind, ...] = (
    thousands,
    integer_otherwise,
    fraction_otherwise,
    fraction_as_decimal,
    decimal_otherwise,
    mixed_number,
    surd_otherwise,
    pi_otherwise,
    complex_otherwise,
    in_base_otherwise,
    degrees_otherwise,
    money_otherwise,
    unit_otherwise,
)

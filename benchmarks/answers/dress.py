r"""What may stand around any answer without changing what it says: fonts, colours, labels, full stops."""

from __future__ import annotations

import re
from collections.abc import Iterable

from answers.looks import Kind, is_value, items_of


def in_dollars(gold: str) -> Iterable[str]:
    yield from (f"${gold}$", rf"\({gold}\)", rf"\displaystyle {gold}", f"{{{gold}}}")


def with_a_stop(gold: str) -> Iterable[str]:
    yield from (f"{gold}.", rf"{gold}\,", rf"{gold}\text{{.}}", rf"{gold}\\", f" {gold}\n")


def in_markdown(gold: str) -> Iterable[str]:
    yield from (f"**{gold}**", f"`{gold}`", f"**${gold}$**", f"*{gold}*")


def in_colour(gold: str) -> Iterable[str]:
    yield from (rf"\color{{red}}{{{gold}}}", rf"\textcolor{{blue}}{{{gold}}}", rf"{{\color{{red}} {gold}}}")


def in_a_font(gold: str) -> Iterable[str]:
    yield from (rf"\mathbf{{{gold}}}", rf"\boldsymbol{{{gold}}}", rf"\underline{{{gold}}}", rf"\large {gold}")


def in_a_box(gold: str) -> Iterable[str]:
    yield from (rf"\boxed{{{gold}}}", rf"\fbox{{${gold}$}}")


def after_a_label(gold: str) -> Iterable[str]:
    yield from (rf"\text{{Answer: }}{gold}", rf"\text{{The answer is }} {gold}", f"The answer is {gold}.")
    yield rf"\therefore {gold}"


def spaced(gold: str) -> Iterable[str]:
    yield re.sub(r"(?<=[0-9a-z)}])\s*([-+=])\s*(?=[0-9a-z\\(])", r" \1 ", gold)
    yield re.sub(r"(?<![A-Za-z])\s+|\s+(?![A-Za-z])", "", gold) if r"\text" not in gold else gold
    yield gold.replace(",", r",\;") if items_of(gold) else gold


def named(gold: str) -> Iterable[str]:
    if is_value(gold) and not re.search(r"(?<![\\A-Za-z])[x]", gold):
        yield from (f"x = {gold}", f"x={gold}", f"{gold} = x", rf"\text{{Thus, }}x = {gold}")


def in_parentheses(gold: str) -> Iterable[str]:
    if is_value(gold):
        yield from (f"({gold})", rf"\left({gold}\right)")


DRESS: tuple[Kind, ...] = (
    in_dollars,
    with_a_stop,
    in_markdown,
    in_colour,
    in_a_font,
    in_a_box,
    after_a_label,
    spaced,
    named,
    in_parentheses,
)

r"""Other ways to write points, sets, lists, relations, polynomials, words and matrices, kind by kind."""

from __future__ import annotations

import re
from collections.abc import Iterable

import sympy

from answers.looks import COMPLEX, MATRIX, POLYNOMIAL, Kind, is_interval, items_of, list_items


def point_otherwise(gold: str) -> Iterable[str]:
    found = items_of(gold)
    if found is None or found[0] + found[2] != "()" or is_interval(gold):
        return
    items = found[1]
    yield from (rf"\left({', '.join(items)}\right)", f"({','.join(items)})", f"( {' , '.join(items)} )")
    yield rf"\langle {', '.join(items)} \rangle"
    names = "xyzw"[: len(items)] if len(items) < 4 else "abcd"[: len(items)]
    yield f"({','.join(names)}) = ({', '.join(items)})"
    yield ", ".join(f"{name}={item}" for name, item in zip(names, items, strict=True))
    yield rf"\left({', '.join(item.replace('frac', 'dfrac') for item in items)}\right)"


def interval_otherwise(gold: str) -> Iterable[str]:
    for written in (interval_as_relation(gold, "x"),):
        if written is not None:
            yield from (
                written,
                written.replace(r"\le", r"\leq "),
                rf"\{{x \mid {written}\}}",
                rf"\{{x : {written}\}}",
            )
            yield rf"\{{x \in \mathbb{{R}} \mid {written}\}}"
    if is_interval(gold):
        yield from (
            rf"x \in {gold}",
            gold.replace(r"\infty", "∞"),
            gold.replace(r"\left", "").replace(r"\right", ""),
        )


def interval_as_relation(interval: str, name: str) -> str | None:
    """`3 < x \\le 4` for `(3,4]`; None for what is no interval of two ends."""
    found = items_of(interval.strip())
    if found is None or not (is_interval(interval.strip()) or interval.strip().startswith("(-\\sqrt")):
        return None
    (low, high), left, right = found[1], found[0], found[2]
    below, above = (r" \le " if bracket in "[]" else " < " for bracket in (left, right))
    if "infty" in low:
        return f"{name}{above}{high}"
    if "infty" in high:
        return f"{name} > {low}" if left == "(" else rf"{name} \ge {low}"
    return f"{low}{below}{name}{above}{high}"


def union_otherwise(gold: str) -> Iterable[str]:
    parts = [part.strip() for part in gold.split(r"\cup")]
    if len(parts) > 1:
        yield from (r" \cup ".join(reversed(parts)), "∪".join(parts), " U ".join(parts), rf"x \in {gold}")
        relations = [interval_as_relation(part, "x") for part in parts]
        if None not in relations:
            joined = r" \text{ or } ".join(map(str, relations))
            yield from (joined, " or ".join(map(str, relations)), rf"\{{x \mid {joined}\}}")


def list_otherwise(gold: str) -> Iterable[str]:
    items = list_items(gold)
    if items:
        yield from (
            ", ".join(reversed(items)),
            ",".join(items),
            rf"\{{{', '.join(items)}\}}",
            "; ".join(items),
        )
        yield from (
            r" \text{ and } ".join(items),
            " or ".join(items),
            ", ".join(f"x = {item}" for item in items),
        )
        yield rf"{', '.join(items[:-1])} \text{{ and }} {items[-1]}"
    if match := re.fullmatch(r"\\\{(.+)\\\}", gold):
        items = match[1].split(",")
        yield from (rf"\{{{', '.join(reversed(items))}\}}", ", ".join(items), rf"\left\{{{match[1]}\right\}}")


def both_signs(gold: str) -> Iterable[str]:
    if gold.count(r"\pm") == 1 and not gold.startswith(r"\{"):
        plus, minus = gold.replace(r"\pm", "+"), gold.replace(r"\pm", "-")
        yield from (f"{plus}, {minus}", rf"{minus} \text{{ and }} {plus}", gold.replace(r"\pm", "±"))
        yield from (gold.replace(r"\pm", r"\mp"), rf"\{{{plus}, {minus}\}}", f"x = {gold}")


def relation_otherwise(gold: str) -> Iterable[str]:
    if match := re.fullmatch(r"(\w) = (.+)", gold):
        name, right = match.groups()
        yield from (
            f"{right} = {name}",
            f"{name} - ({right}) = 0",
            f"2{name} = 2({right})",
            f"-{name} = -({right})",
            f"{name}={right}",
        )
    elif gold.endswith("= 0"):
        left = gold.removesuffix("= 0").strip()
        yield from (f"0 = {left}", f"-({left}) = 0", f"2({left}) = 0")
    elif match := re.fullmatch(r"(\w)=(\d+)", gold):
        yield from (
            match[2],
            f"{match[2]} = {match[1]}",
            f"2{match[1]} = {2 * int(match[2])}",
            f"{match[1]} = {match[2]}",
        )


def polynomial_otherwise(gold: str) -> Iterable[str]:
    if POLYNOMIAL.fullmatch(gold) is None or COMPLEX.fullmatch(gold) or re.search("[A-Za-z]{2}|i", gold):
        return
    source = re.sub(
        r"(?<=[\w)])\s*(?=[A-Za-z(])", "*", gold.replace("^", "**").replace("{", "(").replace("}", ")")
    )
    polynomial = sympy.sympify(source)
    for form in (
        sympy.expand(polynomial),
        sympy.factor(polynomial),
        sympy.horner(polynomial) if len(polynomial.free_symbols) == 1 else polynomial,
    ):
        yield sympy.latex(form)
    terms = sympy.Add.make_args(sympy.expand(polynomial))
    yield " + ".join(f"({sympy.latex(term)})" for term in terms)
    yield " + ".join(sympy.latex(term) for term in reversed(terms)).replace("+ -", "- ")
    yield str(polynomial)


def words_otherwise(gold: str) -> Iterable[str]:
    if match := re.fullmatch(r"\\text\{(\w+)\}", gold):
        word = match[1]
        yield from (
            word,
            word.upper(),
            word.lower(),
            word.title(),
            rf"\textbf{{{word}}}",
            rf"\mathrm{{{word}}}",
            rf"\text{{ {word} }}",
            f'"{word}"',
        )
    if match := re.fullmatch(r"\\text\{\((\w)\)\}", gold):
        letter = match[1]
        yield from (
            letter,
            f"({letter})",
            rf"\textbf{{({letter})}}",
            rf"\text{{{letter}}}",
            rf"\mathrm{{({letter})}}",
            rf"\textbf{{({letter}) }} 5",
            rf"\text{{({letter})}}\ 12",
        )


def matrix_otherwise(gold: str) -> Iterable[str]:
    if match := MATRIX.fullmatch(gold):
        body = match[1].strip()
        for name in ("bmatrix", "matrix"):
            brackets = (r"\left(", r"\right)") if name == "matrix" else ("", "")
            yield rf"{brackets[0]}\begin{{{name}}}{body}\end{{{name}}}{brackets[1]}"
        fractions = re.sub(r"(-?)(\d+)/(\d+)", r"\1\\frac{\2}{\3}", body)
        yield rf"\begin{{pmatrix}}{fractions}\end{{pmatrix}}"
        columns = "c" * (body.split(r"\\")[0].count("&") + 1)
        yield rf"\left[\begin{{array}}{{{columns}}}{body}\end{{array}}\right]"
        if "&" not in body:
            rows = [row.strip() for row in body.split(r"\\")]
            yield f"({', '.join(rows)})"


STRUCTURES: tuple[Kind, ...] = (
    point_otherwise,
    interval_otherwise,
    union_otherwise,
    list_otherwise,
    both_signs,
    relation_otherwise,
    polynomial_otherwise,
    words_otherwise,
    matrix_otherwise,
)

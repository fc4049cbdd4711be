r"""Expressions in LaTeX -> SymPy, by math-verify's parser, with exact numbers.

Numbers are hidden from the parser and put back as fractions. By itself it rounds decimals, drops the base of
`204_5`, and reads `2(3)` and `2 3` as the mixed number 2 + 3.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy

from recursivemas.grading.maths.text import words

CONVERSION = ConversionConfig(lowercase_symbols=False)
_HIDDEN = "varsigma_"  # how the parser names what stands for a number
_NUMBER = re.compile(
    r"(?P<before>(?:\\log\s*)?[_^]?\s*\{?)(?P<number>(?:\d+(?:\.\d*)?|\.\d+))(?P<call>\s*(?=\())?"
)
_UNREADABLE = re.compile(
    r"""'|%|\?|!!|:|ς
    |\d\s+\d          # two numbers side by side
    |\d\s*_           # a number with a subscript: its base
    |\\overline\{\d   # a repeating decimal in another place than behind the point
    |\^\s*\{?\s*T\s*(?![A-Za-z])            # a transpose
    |(?<![\\A-Za-z])d[A-Za-z](?![A-Za-z])   # a differential
    |/\s*(?:\d+(?:\.\d+)?|[A-Za-z])\s*(?:[A-Za-z(]|\\(?!\\|cdot|times|div))  # what is below the slash?
    """,
    re.VERBOSE,
)
# The parser takes every other command for a variable: to it, \angle ABC is the same product as \angle BCA.
_COMMANDS = frozenset(
    words(
        "frac sqrt binom cdot times div pi infty lfloor rfloor lceil rceil begin end langle rangle "
        "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh log ln exp max min "
        "gcd lcm sum prod int lim to vec hat bar tilde overline overrightarrow mathcal ell "
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho "
        "sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
    )
)


@lru_cache(maxsize=256)
def parse(latex: str) -> Any:
    """What math-verify's parser makes of an expression, with exact numbers; None where it makes nothing."""
    latex = _prepare(latex)
    if _UNREADABLE.search(latex) or not set(re.findall(r"\\([A-Za-z]+)", latex)) <= _COMMANDS:
        return None
    try:
        parsed = latex2sympy(
            _NUMBER.sub(_hide, latex), is_real=None, normalization_config=None, conversion_config=CONVERSION
        )
        if not isinstance(parsed, sympy.Expr | sympy.MatrixBase):
            return None
        exact = {symbol: _shown(symbol) for symbol in parsed.free_symbols}
        return parsed.xreplace({symbol: value for symbol, value in exact.items() if value is not None})
    except Exception:
        # The parser raises bare Exceptions for what it cannot read, and arbitrary ones for what it misreads.
        return None


def _prepare(latex: str) -> str:
    """What the parser does not know or takes for something else, in words that it knows."""
    latex = re.sub(r"\\text\{\s*([A-Za-z])\s*\}", r"\1", latex)
    latex = re.sub(r"(\d*)\.(\d*)\\overline\{(\d+)\}", _repeating, latex)
    latex = re.sub(r"(\d+(?:\.\d+)?)\s*\^\s*\\circ", r"(\\frac{\1}{180}\\pi)", latex)
    latex = re.sub(r"\\(sin|cos|tan|cot|sec|csc)\s*\^\s*\{\s*-\s*1\s*\}", r"\\arc\1", latex)
    mixed = r"(?<![\d.}^_])(\d+)\s*(\\frac\{\d+\}\{\d+\})"
    latex = re.sub(mixed, r"(\1+\2)", latex)
    return re.sub(r"^([+-]?)(\d+) (\d+)/(\d+)$", r"\1(\2+\\frac{\3}{\4})", latex)


def _repeating(match: re.Match[str]) -> str:
    r"""`0.1\overline{6}` as a fraction."""
    whole, head, tail = match[1] or "0", match[2], match[3]
    over = int(whole + head + tail) - int(whole + head)
    return rf"\frac{{{over}}}{{{(10 ** len(tail) - 1) * 10 ** len(head)}}}"


def _hide(match: re.Match[str]) -> str:
    before, number = match["before"], match["number"]
    if "_" in before and not before.startswith("\\log"):
        return match[0]
    hidden = rf"\{_HIDDEN}{{{number}}}"
    if before.rstrip().endswith("^"):
        return f"{before}{{{hidden}}}"
    return before + hidden + (r"\cdot " if match["call"] is not None and "^" not in before else "")


def _shown(symbol: sympy.Symbol) -> sympy.Expr | None:
    if symbol.name == "i":
        return sympy.I
    if not symbol.name.startswith(_HIDDEN):
        return None
    return sympy.Rational(symbol.name.removeprefix(_HIDDEN).strip("{}"))

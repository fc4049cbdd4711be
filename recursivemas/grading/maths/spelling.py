r"""One spelling of a mathematical answer for what LaTeX, Unicode and plain text spell in many ways."""

from __future__ import annotations

import re
import unicodedata

from recursivemas.grading.maths.arguments import brace_arguments
from recursivemas.grading.maths.dress import undress, unlabel
from recursivemas.grading.maths.text import tokens, words


def _each(spellings: str, one: str) -> dict[str, str]:
    return dict.fromkeys(words(spellings), one)


_SPACES = frozenset((*words(r"\, \; \: ~ \quad \qquad \enspace \thinspace \medspace \thickspace"), "\\ "))
_GREEK = {
    letter: rf"\{name} "
    for letter, name in zip(
        "αβγδεζηθκλμνξπρστφχψωΓΔΘΛΞΠΣΦΨΩ",
        words(
            "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi chi "
            "psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
        ),
        strict=True,
    )
}
_SPELLINGS = {
    **_GREEK,
    **_each(r"\dfrac \tfrac \cfrac \nicefrac \sfrac", r"\frac "),
    **_each(r"\dbinom \tbinom", r"\binom "),
    **_each(r"≤ ⩽ \leq \leqslant \leqq", r"\le "),
    **_each(r"≥ ⩾ \geq \geqslant \geqq", r"\ge "),
    **_each(r"≠ \neq", r"\ne "),
    **_each(r"\lt ＜", "<"),
    **_each(r"\gt ＞", ">"),
    **_each(r"≈ \simeq \doteq", r"\approx "),
    **_each(r"∅ \varnothing \emptyset", r"\emptyset "),
    **_each(r"\lvert \rvert \vert \mid ∣", "|"),
    **_each(r"\lbrace", r"\{"),
    **_each(r"\rbrace", r"\}"),
    **_each(r"\lbrack", "["),
    **_each(r"\rbrack", "]"),
    **_each(r"（ \lparen", "("),
    **_each(r"） \rparen", ")"),
    **_each(r"⟨", r"\langle "),
    **_each(r"⟩", r"\rangle "),
    **_each(r"⌊", r"\lfloor "),
    **_each(r"⌋", r"\rfloor "),
    **_each(r"⌈", r"\lceil "),
    **_each(r"⌉", r"\rceil "),
    **_each(r"° º \degree \degrees \textdegree", r"^\circ "),
    **_each(r"％ \%", "%"),
    **_each(r"＄ \$ \textdollar", r"\dollar "),
    **_each(r"€ \texteuro", r"\euro "),
    **_each(r"£ \textsterling", r"\pounds "),
    **_each(r"¢ \cent \textcent", r"\text{ cents}"),
    **_each(r"ℝ \R \Reals \reals", r"\mathbb{R}"),
    **_each(r"ℤ \Z", r"\mathbb{Z}"),
    **_each(r"ℕ \N", r"\mathbb{N}"),
    **_each(r"∪ \bigcup", r"\cup "),
    **_each(r"∩ \bigcap", r"\cap "),
    **_each(r"− – — ﹣ －", "-"),
    **_each(r"× ✕", r"\times "),
    **_each(r"* · ⋅ ∙ \ast", r"\cdot "),
    **_each(r"÷", r"\div "),
    **_each(r"⁄ ∕", "/"),
    **_each(r"“ ” „", ""),
    **_each(r"… ⋯ \ldots \dots \cdots \dotsc", r"\ldots "),
    **_each(r"∈", r"\in "),
    **_each(r"±", r"\pm "),
    **_each(r"∓", r"\mp "),
    **_each(r"√ \surd", r"\sqrt "),
    **_each(r"∛", r"\sqrt[3]"),
    **_each(r"∜", r"\sqrt[4]"),
    **_each(r"∞ \infin", r"\infty "),
    **_each(r"′ ’", "'"),
    **_each(r"，", ","),
    **_each(r"；", ";"),
    **_each(r"\colon ：", ":"),
    **_each(r"\backslash ∖", r"\setminus "),
    **_each(r"\lor ∨", r"\text{ or }"),
    **_each(r"\land ∧ \&", r"\text{ and }"),
    **_each(r"\imath", "i"),
    '"': "",
}

_FUNCTIONS = (
    "arcsin|arccos|arctan|arccot|arcsec|arccsc|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|ln|log|exp|lcm|gcd|det"
)
_INVERSES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}

# Before tokens are looked at one by one, because these span several.
_FIRST = (
    (re.compile(r"\\(?:left|right)\s*\."), ""),
    (re.compile(r"(?<=\d)\s*(?:\{\s*,\s*\}|,\s*\\!)\s*(?=\d{3}(?!\d))"), ""),  # thousands, spelt so in TeX
    (re.compile(r"(?<=\d)(?:\\,|\{\\,\}|\\thinspace\s)\s*(?=\d{3}(?!\d))"), ""),
    (re.compile(r"(?<!\\text)\{\s*,\s*\}"), ","),
    (re.compile(r"\.\.\.+"), r"\\ldots "),
    (re.compile(r"\+\s*/\s*-"), r"\\pm "),
    (re.compile(r"<="), r"\\le "),
    (re.compile(r">="), r"\\ge "),
    (re.compile(r"!=|\\not\s*="), r"\\ne "),
    (re.compile(r"\\not\s*\\in(?![A-Za-z])"), r"\\notin "),
)
# Once every token has its spelling.
_LAST = (
    (re.compile(r"\^\s*\{\s*\\circ\s*\}"), r"^\\circ "),
    (re.compile(r"\\text\s+\{"), r"\\text{"),
    (re.compile(r"\\text\{\s*(\\dollar|[%,;])\s*\}"), r"\1"),
    (re.compile(r"(?<=[\d}])\s*\^\s*\{?\s*(?:\\text\{\s*)?o\s*\}*(?![A-Za-z])"), r"^\\circ "),
    (re.compile(rf"\\text\{{\s*({_FUNCTIONS})\s*\}}"), r"\\\1 "),
    (re.compile(r"\\mathbb\s*R(?![A-Za-z])"), r"\\mathbb{R}"),
    (re.compile(r"(?<![\\A-Za-z])(asin|acos|atan)(?=\s*\()"), lambda match: rf"\{_INVERSES[match[1]]} "),
    (re.compile(rf"(?<![\\A-Za-z])({_FUNCTIONS})(?![A-Za-z])(?=\s*[\d(\\{{^_A-Za-z])"), r"\\\1 "),
    (re.compile(r"(?<![\\A-Za-z])sqrt(?![A-Za-z])"), r"\\sqrt "),
    (re.compile(r"(?<![\\A-Za-z])cbrt(?![A-Za-z])"), r"\\sqrt[3]"),
    (re.compile(r"(?<![\\A-Za-z])pi(?![A-Za-z])"), r"\\pi "),
    (re.compile(r"(?<![\\A-Za-z])(?:infinity|inf|oo)(?![A-Za-z])"), r"\\infty "),
    (re.compile(r"\+\s*\\infty"), r"\\infty"),
    (re.compile(r"(?<=[)\]}])\s*U\s*(?=[(\[{\\])"), r"\\cup "),  # as plain text writes a union
    (re.compile(r"(?<![\d}\\A-Za-z])\.(?=\d)"), "0."),
    # Digits that repeat for ever
    (re.compile(r"(\.\d*)\\dot\s*\{?(\d)\}?(\d*)\\dot\s*\{?(\d)\}?"), r"\1\\overline{\2\3\4}"),
    (re.compile(r"(\.\d*)\\(?:bar|dot)\s*(?:\{\s*(\d+)\s*\}|(\d))"), r"\1\\overline{\2\3}"),
    (re.compile(r"(?<![\d.])(\d+\.)\((\d+)\)"), r"\1\\overline{\2}"),
)

_UNIT_LETTERS = "mshgNJWVlL"
"""What a single upright letter behind a value may be a unit by; any other, `i` and `e` too, is a letter."""
_UPRIGHT_LETTER = re.compile(r"\\text\{\s*(?:([A-Za-z])|(\\(?:pi|theta)))\s*\}")


_IDLE_BRACES = re.compile(r"(?<=\d)\{\s*(\\frac\{[^{}]*\}\{[^{}]*\}|)\s*\}")
_POWER_IN_TEXT = re.compile(r"\\text\{([A-Za-z. ]+)\^\{(-?\d)\}\s*\}")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", "0123456789+-ni")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋ₙ", "0123456789+-n")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋ₙ]+")
_VULGAR = re.compile("[¼½¾⅐-⅞]")
_BARRED = re.compile("(?:[0-9]\u0305)+")
_STYLED = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff]")


def normalise(text: str) -> str:
    r"""One spelling of an answer: without `$`, `\left` and thin spaces, `\frac` for `\dfrac`, and so on.

    A `$` that marks money, `\$` or one without a partner, becomes `\dollar`.
    """
    text = _drop_math_shifts(_spell_unicode(text.strip()))
    for pattern, replacement in _FIRST:
        text = pattern.sub(replacement, text)
    parts = []
    for token in tokens(undress(text).replace("**", "^")):
        if token in _SPACES or token.isspace():
            parts.append(" ")
        else:
            parts.append(_SPELLINGS.get(token, token))
    text = "".join(parts)
    for pattern, spelling in _LAST:
        text = pattern.sub(spelling, text)
    text = brace_arguments(_UPRIGHT_LETTER.sub(_letter, unlabel(text)))
    text = _POWER_IN_TEXT.sub(r"\\text{\1}^{\2}", text)
    return join_thousands(_IDLE_BRACES.sub(r"\1", text)).strip()


def _spell_unicode(text: str) -> str:
    """Raised and lowered digits, fractions of one character, and letters and digits of other widths."""
    text = _RAISED.sub(lambda match: f"^{{{match[0].translate(_SUPERSCRIPTS)}}}", text)
    text = _LOWERED.sub(lambda match: f"_{{{match[0].translate(_SUBSCRIPTS)}}}", text)
    text = _VULGAR.sub(_vulgar_fraction, text)
    text = _BARRED.sub(lambda match: rf"\overline{{{re.sub('[^0-9]', '', match[0])}}}", text)
    return _STYLED.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


def _vulgar_fraction(match: re.Match[str]) -> str:
    over, _, under = unicodedata.normalize("NFKC", match[0]).partition("\u2044")
    return rf"\frac{{{over}}}{{{under}}}"


def _drop_math_shifts(text: str) -> str:
    places = [match.start() for match in re.finditer(r"(?<!\\)\$", text)]
    if len(places) % 2 and re.match(r"\$\s*\d", text[places[0] :]):
        text = text[: places[0]] + "\\" + text[places[0] :]
    return re.sub(r"(?<!\\)\$", "", text)


def _letter(match: re.Match[str]) -> str:
    letter = match[1] or match[2]
    if letter in _UNIT_LETTERS:
        return match[0]
    return f" {letter}" if match.string[: match.start()][-1:].isalpha() else letter


# ---------------------------------------------------------------------------------------------------------
# Thousands

_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!\d|,\d)")
_SPACED = re.compile(r"(?<![\d.,}])\d{1,3}(?: \d{3})+(?!\d|\.\d{4}|\s*/)")
_BRACKETS = {
    **dict.fromkeys(("(", "[", r"\{", r"\langle"), 1),
    **dict.fromkeys((")", "]", r"\}", r"\rangle"), -1),
}


def join_thousands(text: str) -> str:
    """`1,250` and `1 250` as `1250`, but not in brackets whose items are all set apart so: `(1,250)`."""
    out: list[str] = []
    current: list[str] = []
    depth = 0
    for token in tokens(text):
        step = _BRACKETS.get(token, 0)
        if step:
            out.append(_joined("".join(current), bracketed=depth > 0))
            out.append(token)
            current = []
            depth = max(depth + step, 0)
        else:
            current.append(token)
    return "".join([*out, _joined("".join(current), bracketed=depth > 0)])


def _joined(text: str, *, bracketed: bool) -> str:
    if bracketed and not re.search(r",\s|;", text):
        return text
    text = _GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    return _SPACED.sub(lambda match: match[0].replace(" ", ""), text)

r"""Mathematical answers as text: one spelling for what LaTeX spells in many ways, numbers, and units.

Nothing here computes; `reading` builds on it, and `equality` compares.
"""

from __future__ import annotations

import re
from fractions import Fraction

_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|\s+|.", re.DOTALL)


def words(text: str) -> list[str]:
    """A table's entries, written one after the other."""
    return text.split()


def _each(spellings: str, one: str) -> dict[str, str]:
    return dict.fromkeys(words(spellings), one)


_DROPPED = frozenset(
    words(
        r"\left \right \middle \bigl \bigr \Bigl \Bigr \biggl \biggr \big \Big \bigg \Bigg \displaystyle "
        r"\textstyle \limits \! \( \) \[ \] \rm \bf \mathbf \mathit \boldsymbol \bm \strut \mathstrut"
    )
)
_SPACES = frozenset((*words(r"\, \; \: ~ \quad \qquad \enspace \thinspace \medspace"), "\\ "))
_SPELLINGS = {
    **_each(r"\dfrac \tfrac \cfrac", r"\frac "),
    **_each(r"\dbinom \tbinom", r"\binom "),
    **_each(r"\mbox \hbox \mathrm \textrm \textbf \textit \textsf \texttt \textnormal", r"\text"),
    **_each(r"≤ \leq \leqslant \leqq", r"\le "),
    **_each(r"≥ \geq \geqslant \geqq", r"\ge "),
    **_each(r"≠ \neq", r"\ne "),
    **_each(r"\lt", "<"),
    **_each(r"\gt", ">"),
    **_each(r"∅ \varnothing \emptyset", r"\emptyset "),
    **_each(r"\lvert \rvert \vert \mid", "|"),
    **_each(r"\lbrace", r"\{"),
    **_each(r"\rbrace", r"\}"),
    **_each(r"\lbrack", "["),
    **_each(r"\rbrack", "]"),
    **_each(r"（ \lparen", "("),
    **_each(r"） \rparen", ")"),
    **_each(r"° º \degree", r"^\circ "),
    **_each(r"％ \%", "%"),
    **_each(r"＄ \$ \textdollar", r"\dollar "),
    **_each(r"€ \texteuro", r"\euro "),
    **_each(r"£ \textsterling", r"\pounds "),
    **_each(r"ℝ \R \Reals", r"\mathbb{R}"),
    **_each(r"∪ \bigcup", r"\cup "),
    **_each(r"∩ \bigcap", r"\cap "),
    **_each(r"− – — ﹣ －", "-"),
    **_each(r"× ✕", r"\times "),
    **_each(r"* · ⋅ ∙", r"\cdot "),
    **_each(r"÷", r"\div "),
    **_each(r"“ ” „", ""),
    **_each(r"… ⋯ \ldots \dots \cdots \dotsc", r"\ldots "),
    **_each(r"∈", r"\in "),
    **_each(r"±", r"\pm "),
    **_each(r"∓", r"\mp "),
    **_each(r"√", r"\sqrt "),
    **_each(r"∞ \infin", r"\infty "),
    **_each(r"π", r"\pi "),
    **_each(r"θ", r"\theta "),
    **_each(r"′ ’", "'"),
    **_each(r"²", "^{2}"),
    **_each(r"³", "^{3}"),
    **_each(r"½", r"\frac{1}{2}"),
    **_each(r"¼", r"\frac{1}{4}"),
    **_each(r"¾", r"\frac{3}{4}"),
    **_each(r"，", ","),
    **_each(r"；", ";"),
    **_each(r"\colon ：", ":"),
    **_each(r"\backslash", r"\setminus "),
    **_each(r"\lor", r"\text{ or }"),
    **_each(r"\land", r"\text{ and }"),
    '"': "",
}

# Before tokens are looked at one by one, because these span several.
_FIRST = (
    (re.compile(r"\\(?:left|right)\s*\."), ""),
    (re.compile(r"(?<=\d)\s*(?:\{\s*,\s*\}|,\s*\\!)\s*(?=\d{3}(?!\d))"), ""),  # thousands, spelt so in TeX
    (re.compile(r"\{\s*,\s*\}"), ","),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"<="), r"\\le "),
    (re.compile(r">="), r"\\ge "),
    (re.compile(r"!=|\\not\s*="), r"\\ne "),
    (
        re.compile(r"\\(?:text|mathrm|operatorname)\s*\{\s*(sin|cos|tan|cot|sec|csc|ln|log|exp)\s*\}"),
        r"\\\1 ",
    ),
)
# Once every token has its spelling.
_LAST = (
    (re.compile(r"\^\s*\{\s*\\circ\s*\}"), r"^\\circ "),
    (re.compile(r"\\text\s+\{"), r"\\text{"),
    (re.compile(r"(?<![\\A-Za-z])sqrt\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\\A-Za-z])sqrt\s*(\d+)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\\A-Za-z])pi(?![A-Za-z])"), r"\\pi "),
    (re.compile(r"(?<![\\A-Za-z])(?:infinity|inf|oo)(?![A-Za-z])"), r"\\infty "),
    (re.compile(r"\+\s*\\infty"), r"\\infty"),
    (re.compile(r"\^\s*\(([^()]*)\)"), r"^{\1}"),
    (re.compile(r"(?<![\d}\\A-Za-z])\.(?=\d)"), "0."),
)


def tokens(text: str) -> list[str]:
    r"""LaTeX commands, escaped characters, runs of white space, and single characters."""
    return _TOKEN.findall(text)


def normalise(text: str) -> str:
    r"""One spelling of an answer: without `$`, `\left` and thin spaces, `\frac` for `\dfrac`, and so on.

    A `$` that marks money, `\$` or one without a partner, becomes `\dollar`.
    """
    text = _drop_math_shifts(text.strip())
    for pattern, replacement in _FIRST:
        text = pattern.sub(replacement, text)
    parts = []
    for token in tokens(text):
        if token in _SPACES or token.isspace():
            parts.append(" ")
        elif token not in _DROPPED:
            parts.append(_SPELLINGS.get(token, token))
    text = "".join(parts)
    for pattern, replacement in _LAST:
        text = pattern.sub(replacement, text)
    return brace_arguments(_trim(text))


def _drop_math_shifts(text: str) -> str:
    places = [match.start() for match in re.finditer(r"(?<!\\)\$", text)]
    if len(places) % 2 and re.match(r"\$\s*\d", text[places[0] :]):
        text = text[: places[0]] + "\\" + text[places[0] :]
    return re.sub(r"(?<!\\)\$", "", text)


def _trim(text: str) -> str:
    """Without outer white space and the full stop, comma or colon that ends a sentence."""
    return re.sub(r"[\s.,;:。]+$", "", text).strip()


def tidy(text: str) -> str:
    """A normalised text without the white space that TeX does not show."""
    text = re.sub(r"\s+", " ", text)
    words = r"[A-Za-z0-9]"
    return re.sub(rf" (?!{words})|(?<!{words}) ", "", text)


# ---------------------------------------------------------------------------------------------------------
# Arguments


def brace_arguments(text: str) -> str:
    r"""`\frac12`, `\sqrt2` and `\binom52` with their braces. What cannot be understood stays as it is."""
    out, rest = [], tokens(text)
    while rest:
        command = rest.pop(0)
        out.append(command)
        if command == r"\sqrt":
            out.append(_take_option(rest))
        if command == "_" and (digits := _take_digits(rest)):
            out.append(digits)
            continue
        for _ in range(_ARGUMENTS.get(command, 0)):
            out.append(_take_argument(rest))
    return "".join(out)


_ARGUMENTS = {r"\frac": 2, r"\sqrt": 1, r"\binom": 2, "_": 1}


def _take_argument(rest: list[str]) -> str:
    while rest and rest[0].isspace():
        rest.pop(0)
    if not rest or rest[0] in "}])^_&,":
        return ""
    if rest[0] == "{":
        group = _take_group(rest, "{", "}")
        return "{" + brace_arguments(group[1:-1]) + "}" if group.endswith("}") else group
    if rest[0] in _ARGUMENTS:
        return ""
    return "{" + rest.pop(0) + "}"


def _take_digits(rest: list[str]) -> str:
    """All digits of a subscript, as plain text means `_12`."""
    digits = ""
    while rest and rest[0].isdigit():
        digits += rest.pop(0)
    return f"{{{digits}}}" if digits else ""


def _take_option(rest: list[str]) -> str:
    while rest and rest[0].isspace():
        rest.pop(0)
    return _take_group(rest, "[", "]") if rest and rest[0] == "[" else ""


def _take_group(rest: list[str], opening: str, closing: str) -> str:
    depth, group = 0, []
    while rest:
        token = rest.pop(0)
        group.append(token)
        depth += (token == opening) - (token == closing)
        if depth == 0:
            break
    return "".join(group)


# ---------------------------------------------------------------------------------------------------------
# Splitting

_OPENING = frozenset(("(", "[", "{", r"\{", r"\langle", r"\lfloor", r"\lceil", r"\begin"))
_CLOSING = frozenset((")", "]", "}", r"\}", r"\rangle", r"\rfloor", r"\rceil", r"\end"))


def split(text: str, separators: frozenset[str]) -> tuple[list[str], list[str]]:
    """The pieces between separators that stand outside all brackets, and those separators.

    `\\text{...}` counts as one token, without the white space inside. Brackets may close with another kind
    than they opened with, as half-open intervals do.
    """
    pieces: list[str] = []
    found: list[str] = []
    current: list[str] = []
    depth = 0
    for token in _whole_texts(text):
        if depth == 0 and (token in separators or _word_of(token) in separators):
            pieces.append("".join(current))
            found.append(token)
            current = []
            continue
        depth += (token in _OPENING) - (token in _CLOSING)
        depth = max(depth, 0)
        current.append(token)
    return [*pieces, "".join(current)], found


_WHOLE_TEXT = re.compile(r"\\text\{[^{}]*\}|\\[A-Za-z]+\*?|\\.|\s+|.", re.DOTALL)


def _whole_texts(text: str) -> list[str]:
    return _WHOLE_TEXT.findall(text)


def _word_of(token: str) -> str:
    return token[len(r"\text{") : -1].strip(" ,").lower() if token.startswith(r"\text{") else ""


def enclosed(text: str) -> tuple[str, str, str] | None:
    """(opening, inside, closing) where one pair of brackets encloses the whole text, else None."""
    found = [token for token in _whole_texts(text) if not token.isspace()]
    if len(found) < 2 or found[0] not in _OPENING or found[-1] not in _CLOSING or found[0] == r"\begin":
        return None
    depth = 0
    for index, token in enumerate(found):
        depth += (token in _OPENING) - (token in _CLOSING)
        if depth == 0 and index < len(found) - 1:
            return None
    if depth != 0:
        return None
    return found[0], text.strip()[len(found[0]) : -len(found[-1])], found[-1]


# ---------------------------------------------------------------------------------------------------------
# Numbers

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)\s*(?:(?P<grouped>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?: [0-9]{3})+)|(?P<digits>[0-9]*))"
    r"(?:\.(?P<decimals>[0-9]*))?(?:[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
)


def plain_number(text: str) -> Fraction | None:
    """The exact value of a normalised text that is one decimal number, thousands separators and all."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    whole = re.sub(r"[, ]", "", match["grouped"] or match["digits"] or "")
    decimals = match["decimals"] or ""
    if not whole + decimals:
        return None
    value = Fraction(_int(whole + decimals)) / 10 ** len(decimals)
    value *= Fraction(10) ** int(match["exponent"] or 0)
    return -value if match["sign"] == "-" else value


def _int(digits: str) -> int:
    """int() without its limit of some thousand digits."""
    value = 0
    for start in range(0, len(digits), 4000):
        piece = digits[start : start + 4000]
        value = value * 10 ** len(piece) + int(piece)
    return value

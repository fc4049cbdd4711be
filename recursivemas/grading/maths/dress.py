r"""What an answer wears: colours, fonts, Markdown, environments, and words such as `The answer is`."""

from __future__ import annotations

import re

from recursivemas.grading.maths.text import take_group, tokens, words

_FONTS = frozenset(
    words(
        r"\mathbf \mathit \mathsf \mathtt \boldsymbol \bm \bold \pmb \underline \boxed \fbox "
        r"\framebox \ensuremath \mathop \mathord \mathrel \mathstrut \strut "
        r"\rm \bf \it \sf \tt \bfseries \itshape \tiny \scriptsize \footnotesize \small \normalsize \large "
        r"\Large \LARGE \huge \Huge \displaystyle \textstyle \scriptstyle \centering \noindent \limits "
        r"\left \right \middle \bigl \bigr \Bigl \Bigr \biggl \biggr \Biggl \Biggr \big \Big \bigg \Bigg "
        r"\underbrace \overbrace \therefore \blacksquare \checkmark \! \( \) \[ \]"
    )
)
"""Commands that change how something looks, and not what it says; their argument stays."""
_TEXT_FONTS = frozenset(
    words(
        r"\mbox \hbox \mathrm \textrm \textbf \textit \textsf \texttt \textnormal \textup \textsc \textmd "
        r"\operatorname \operatorname* \emph \underbar \intertext"
    )
)
_DROPPED_ARGUMENTS = {
    r"\color": 1,
    r"\textcolor": 1,
    r"\colorbox": 1,
    r"\fcolorbox": 2,
    r"\tag": 1,
    r"\label": 1,
    r"\phantom": 1,
    r"\hphantom": 1,
    r"\vphantom": 1,
    r"\hspace": 1,
    r"\vspace": 1,
    r"\scalebox": 1,
    r"\fontsize": 2,
}
"""Commands whose first arguments say nothing. What follows them is shown."""

_EMPHASIS = (
    re.compile(r"(?<![\w)}\]*^])\*\*(?=[^\s*])((?:(?!\*\*).)+?)(?<=\S)\*\*(?![\w({\[\\*])", re.DOTALL),
    re.compile(r"(?<![\w)}\]*^])\*(?=[^\s*])([^*]+?)(?<=\S)\*(?![\w({\[\\*])", re.DOTALL),
    re.compile(r"^\s*__(?=\S)(.+)(?<=\S)__\s*$", re.DOTALL),
    re.compile(r"^\s*_(?=[^\s{_])([^_]+)(?<=\S)_\s*$", re.DOTALL),
)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{(?:align|aligned|equation|gather|gathered|split|center)\*?\}")
_PLAIN = re.compile(r"[A-Za-z0-9.]+")


def undress(text: str) -> str:
    """The text without what only decorates it."""
    text = text.replace("`", "")
    for pattern in _EMPHASIS:
        text = pattern.sub(r" \1 ", text)
    if _ENVIRONMENT.search(text):
        text = re.sub(r"(?<!\\)&", "", _ENVIRONMENT.sub(" ", text))
    out: list[str] = []
    rest = tokens(text)
    while rest:
        token = rest.pop(0)
        if token.removesuffix("*") in _DROPPED_ARGUMENTS:
            _drop_arguments(rest, _DROPPED_ARGUMENTS[token.removesuffix("*")])
            _open_group(out, rest)
        elif token in _FONTS:
            _open_group(out, rest)
        else:
            out.append(r"\text" if token in _TEXT_FONTS else token)
    return "".join(out)


def _drop_arguments(rest: list[str], count: int) -> None:
    _skip_space(rest)
    if rest and rest[0] == "[":
        take_group(rest, "[", "]")
    for _ in range(count):
        _skip_space(rest)
        if rest and rest[0] == "{":
            take_group(rest, "{", "}")


def _open_group(out: list[str], rest: list[str]) -> None:
    """Take the braces off a plain group that follows, unless it is an argument of what stands before."""
    end = rest.index("}") if rest and rest[0] == "{" and "}" in rest else 0
    if not end or not _PLAIN.fullmatch("".join(rest[1:end])):
        if out and re.fullmatch(r"\\[A-Za-z]+", out[-1]):
            out.append(" ")
        return
    before = next((token for token in reversed(out) if not token.isspace()), "")
    if not re.fullmatch(r"\\[A-Za-z]+|[\^_]", before):
        rest[: end + 1] = rest[1:end]


def _skip_space(rest: list[str]) -> None:
    while rest and rest[0].isspace():
        rest.pop(0)


# ---------------------------------------------------------------------------------------------------------
# Words around the answer

_CONNECTIVE = r"(?:so|thus|hence|therefore|then|finally)\b[,:]?\s*(?:we\s+(?:get|have)\b[,:]?\s*)?"
_SAYS_ANSWER = (
    r"(?:the\s+|our\s+|my\s+)?(?:(?:final|correct|required|desired|exact|numerical)\s+)*"
    r"(?:answer|ans|result|solution|value)s?\b\.?\s*(?:(?:is|are|equals)\b\s*:?|[:=])\s*"
)
_SAYS_WHAT = (
    r"(?:the\s+)?(?:(?:total|minimum|maximum|smallest|largest|required)\s+)*"
    r"(?:area|volume|perimeter|probability|sum|product|length|width|height|distance|total|minimum|maximum"
    r"|mean|median|average|remainder|range|domain|number)\s*(?:(?:is|are|equals)\b\s*:?|[:=])\s*"
)
_LABEL = re.compile(rf"(?i)\s*(?P<text>\\text\s*\{{\s*)?(?:{_CONNECTIVE})?(?:{_SAYS_ANSWER}|{_SAYS_WHAT})?")
_SIGN = re.compile(r"\s*(?:[=:]|\\(?:implies|Rightarrow|Longrightarrow|rightarrow|to)(?![A-Za-z]))\s*(?=\S)")
_END = re.compile(r"(?:[\s.,;:。✓]|\\\\|\\text\s*\{[\s.,;]*\}|\\square(?![A-Za-z]))+$")
_EMPTY_TEXT = re.compile(r"\\text\s*\{\s*\}")


def unlabel(text: str) -> str:
    """Without words that only announce the answer, and without what ends a sentence."""
    label = _LABEL.match(text)
    if label and label.end() > max(label.end("text"), 0):
        rest = text[label.end() :]
        text = _EMPTY_TEXT.sub(" ", rf"\text{{{rest}") if label["text"] else rest
    if sign := _SIGN.match(text):
        text = text[sign.end() :]
    return _END.sub("", text).strip()

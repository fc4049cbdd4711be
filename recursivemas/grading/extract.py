r"""Reading an answer out of a text: boxes, closing lines, option letters, fenced code.

The release has readings of its own, in `release_reading`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

USUAL_OPTIONS = 4
"""How many letters count where a question says nothing of its options but what its text does."""

_BRACE = re.compile(r"(?P<box>\\(?:boxed|fbox)\s*\{)|\\.|[{}]", re.DOTALL)
_BARE_BOX = re.compile(
    r"\\boxed\s*((?:[-+]?[0-9]|\\(?:d|t)?frac\s*[{0-9])[^\s$]*[^\s$.,;:)\]*]|[0-9]|[A-Z](?![A-Za-z]))"
)
_FENCE = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)(^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL)
_PYTHON_TAGS = ("python", "python3", "py")
_TEXT_COMMAND = re.compile(r"\\(?:text|math)[a-z]*\s*(?=\{)|\\(?:display|text)style\b")


@dataclass(frozen=True)
class Span:
    """A box's contents or a code block, and whether it was closed before the text ended."""

    text: str
    closed: bool


def _boxes(text: str) -> list[tuple[int, Span]]:
    r"""The contents of every `\boxed{...}` and `\fbox{...}` with the place where they start, in order.

    Braces are balanced, white space is trimmed. A box that is never closed (the token budget ended) runs to
    the end of its line. Escaped braces count as text.
    """
    found: list[tuple[int, Span]] = []
    open_braces: list[int | None] = []  # where a box's contents start; None for other braces
    for brace in _BRACE.finditer(text):
        if brace["box"]:
            open_braces.append(brace.end())
        elif brace.group() == "{":
            open_braces.append(None)
        elif brace.group() == "}" and open_braces and (start := open_braces.pop()) is not None:
            found.append((start, Span(text[start : brace.start()].strip(), closed=True)))
    for start in filter(None, open_braces):
        found.append((start, Span(_line_from(text, start).strip(), closed=False)))
    return sorted(found, key=lambda item: item[0])


def box_places(text: str) -> list[tuple[int, int]]:
    r"""From where to where every `\boxed{...}` and `\fbox{...}` that is closed goes, the outermost ones."""
    found: list[tuple[int, int]] = []
    open_braces: list[int | None] = []  # where a box begins; None for other braces
    for brace in _BRACE.finditer(text):
        if brace["box"] or brace.group() == "{":
            open_braces.append(brace.start() if brace["box"] else None)
        elif brace.group() == "}" and open_braces and (start := open_braces.pop()) is not None:
            while found and found[-1][0] > start:
                found.pop()
            found.append((start, brace.end()))
    return found


def _line_from(text: str, start: int) -> str:
    end = text.find("\n", start)
    return text[start:] if end < 0 else text[start:end]


def marked_answer(text: str) -> str | None:
    r"""The contents of the last box that is not blank; None where there is none, or it is never closed.

    Here a box may do without braces, as in `\boxed 5`.
    """
    bare = [(match.start(), Span(match[1], closed=True)) for match in _BARE_BOX.finditer(text)]
    filled = [span for _, span in sorted(_boxes(text) + bare, key=lambda item: item[0]) if span.text]
    return filled[-1].text if filled and filled[-1].closed else None


def _last(spans: Sequence[Span]) -> str | None:
    filled = [span for span in spans if span.text]
    closed = [span for span in filled if span.closed]
    return (closed or filled)[-1].text if filled else None


def final_line(text: str, *labels: str) -> str | None:
    """What follows the last `Final <label>:`, on its line or, where nothing does, on the next one with text.

    Markdown emphasis around it is dropped. None where no label is found.
    """
    names = "|".join(map(re.escape, labels))
    found = re.findall(rf"(?i)\bfinal\s+(?:{names})\b[*_ \t]*:[*_\s]*+(.*\S)", text)
    return found[-1].strip(" \t*_") or None if found else None


def code_blocks(text: str) -> list[Span]:
    """Fenced blocks in order: those tagged as Python if there is one, else the untagged ones.

    A block whose fence is never closed runs to the end of the text.
    """
    found = [(tag.lower(), Span(code.rstrip(), bool(fence))) for tag, code, fence in _FENCE.findall(text)]
    tagged = [block for tag, block in found if tag in _PYTHON_TAGS]
    return tagged or [block for tag, block in found if not tag]


def last_code_block(text: str) -> str | None:
    """The last closed block that is not blank, else the last unclosed one, else None; see `code_blocks`."""
    return _last(code_blocks(text))


def lone_letter(text: str, num_options: int) -> str | None:
    """The letter of a text that holds nothing else but a keyword before it or the option's text behind it.

    `B`, `b`, `(B)`, `**B.**`, `Option B`, `B. Argon`, but not `A patient`, `B-cells` or `B or C`.
    """
    letters = ascii_uppercase[: num_options or USUAL_OPTIONS]
    match = re.fullmatch(
        r"[\W_]*+(?:(?i:option|answer|choice)\b[\W_]*+)?"
        rf"(?:([{letters}])(?:[\W_]*+|[*_)\]]{{0,6}}[.:)][*_]*+\s++\S.*)|([{letters.lower()}])[\W_]*+)",
        _TEXT_COMMAND.sub("", text),
        re.DOTALL,
    )
    return (match[1] or match[2]).upper() if match else None


def stated_letter(text: str, num_options: int) -> str | None:
    """The letter of the last sentence that says outright what the answer is: `the correct option is (B)`.

    It may stand on the next line with text, if it stands there alone or with its option's text behind it.
    """
    letters = ascii_uppercase[: num_options or USUAL_OPTIONS]
    letter = rf"([{letters}])(?![-/]?[A-Za-z0-9])(?![*_)\s]*+(?:,|/|(?i:or|and))[*_(\s]*+[{letters}]\b)"
    keyword = r"(?i:\b(?:answer|choice|option)\b)[*_ \t]*+"
    says = (
        r"(?:(?i:is|would be|must be|should be)\b(?:[ \t]++(?i:therefore|thus|hence|clearly)\b,?)?"
        r"[*_ \t]*+:?|[:：])"
    )
    opening = r"[*_\"'`$(\[{ \t]*+"
    same_line = rf"{keyword}{says}[*_ \t]*+(?:(?i:the\s+)?(?i:option|letter|choice)\b)?{opening}{letter}"
    next_line = (
        rf"{keyword}(?:{says}[*_ \t]*+)?\r?\n\s*+{opening}(?:(?i:option)\b[ \t]*+)?{letter}"
        r"(?=[*_\"'`$\]} \t]*+(?:[.):]|$))"
    )
    plain = _TEXT_COMMAND.sub("", text)
    found = [
        (match.end(1), match[1])
        for pattern in (same_line, next_line)
        for match in re.finditer(pattern, plain, re.MULTILINE)
    ]
    return max(found)[1] if found else None


def has_code(text: str) -> bool:
    """Whether a fenced block is there that the text's end did not cut off, and that is not blank."""
    return any(block.closed and block.text for block in code_blocks(text))

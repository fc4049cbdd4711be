r"""What the published release reads out of a text: the last box, an option's letter, the first block of code.

Its rules are kept to the letter, odd ones included: what is no answer to the strict grader may be one here.
Patterns are written so that no text, however degenerate, makes them slow; what they match is the release's.

Source: docs/protocol.md, "Reading".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import ascii_uppercase

from recursivemas.grading.extract import USUAL_OPTIONS

_BOX = "\\boxed{"
_PLAIN_BOX = re.compile(r"\\boxed\{([^{}]+)\}")
_FINAL_ANSWER = re.compile(r"final\s+answer\s*:\s*(.*)", re.IGNORECASE)
_FINAL_LETTER = re.compile(r"final\s*(?:choice|answer)\s*:\s*(.*)", re.IGNORECASE)
_KEYWORDS = (
    r"final\s*choice|final\s*answer|correct\s*choice|correct\s*option|correct\s*answer|choice|option|answer"
)
_THINK_TAG = re.compile(r"<(/?)think>", re.IGNORECASE)
_CODE = re.compile(r"```python\s*+(.*?)```", re.IGNORECASE | re.DOTALL)


# ---------------------------------------------------------------------------------------------------------
# Mathematics and phrases


def last_box(text: str) -> str | None:
    r"""The contents of the last box, stripped; None where there is none.

    A box without braces in it may span lines and comes before any other. Where there is none, a box runs from
    a line's first `\boxed{` to that line's last `}`, and may be empty.
    """
    plain = _PLAIN_BOX.findall(text)
    if plain:
        return str(plain[-1]).strip()
    greedy = list(_greedy_boxes(text))
    return greedy[-1].strip() if greedy else None


def _greedy_boxes(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        start, end = line.find(_BOX) + len(_BOX), line.rfind("}")
        if len(_BOX) <= start <= end:
            yield line[start:end]


def final_answer(text: str) -> str | None:
    """What follows the last `Final Answer:` on its line, or on the next line with text; None for nothing."""
    found = _FINAL_ANSWER.findall(text)
    return found[-1].strip() or None if found else None


def marked_answer(text: str) -> str | None:
    """The last box, else the last `Final Answer:` line; None where the release takes the whole text."""
    box = last_box(text)
    return final_answer(text) if box is None else box


# ---------------------------------------------------------------------------------------------------------
# Choice


def choice_letter(text: str, num_options: int = USUAL_OPTIONS) -> str | None:
    """The option's letter, in upper case; None where none is found, which the release takes for an A.

    Looked for in the last box, then in the last `Final Choice:` or `Final Answer:` line, then in the whole
    text. `num_options` beyond the usual ones lets more letters count, which the release never does.
    """
    lines = _FINAL_LETTER.findall(text)
    sources = (last_box(text), lines[-1] if lines else None, text)
    letters = (find_letter(source, num_options) for source in sources if source)
    return next((letter for letter in letters if letter), None)


def find_letter(text: str, num_options: int = USUAL_OPTIONS) -> str | None:
    """The letter right after the first keyword that has one, else the one that the text begins with.

    The latter needs an end: `B)`, `B.`, `b -`, or nothing behind it.
    """
    text = text.strip()
    letter = f"([{ascii_uppercase[:num_options]}])"
    found = re.search(
        rf"(?:{_KEYWORDS})\s*+[:\-]?+\s*+[(\[]?+\s*+{letter}\b", text, re.IGNORECASE
    ) or re.match(rf"[(\[]?{letter}(?:[)\]]|\s*[:.\-]|\Z)", text, re.IGNORECASE)
    return found[1].upper() if found else None


# ---------------------------------------------------------------------------------------------------------
# Code


def first_code(text: str) -> str | None:
    """The first closed block that is fenced as `python`, in any case; None where it is empty too.

    Closed `<think>` blocks do not count. There is no falling back to other fences.
    """
    found = _CODE.search(_without_thoughts(text))
    return clean_code(found[1]) or None if found else None


def clean_code(code: str) -> str:
    """A block's contents without lines of fences and without a first line that only says `python`."""
    lines = [line for line in code.splitlines() if not line.startswith("```")]
    if lines and lines[0].strip() == "python":
        lines = lines[1:]
    return "\n".join(lines).strip()


def _without_thoughts(text: str) -> str:
    kept, end, opened = [], 0, None
    for tag in _THINK_TAG.finditer(text):
        if not tag[1] and opened is None:
            opened = tag.start()
        elif tag[1] and opened is not None:
            kept.append(text[end:opened])
            end, opened = tag.end(), None
    return "".join([*kept, text[end:]]).strip()

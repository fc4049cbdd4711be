"""Prompt templates: text with places for the question, the function's name and latent messages.

Template text marks these places:

    [[question]]             the question's text; [[question:strip]], :lstrip and :rstrip trim white space
    [[function_name]]        the name of the function that a `function` question asks for
    [[slot:NAME]]            where the latents of the link that fills the slot NAME stand
    [[!question]]            the literal text `[[question]]`: a `!` keeps any double bracket as it is

A template is parsed once, into parts. The question goes in afterwards, so nothing inside a question (braces,
dollar signs, double brackets) is ever read as a marker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from recursivemas.errors import UserError
from recursivemas.question import Question

SLOT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
MARKER = re.compile(r"\[\[(!?)([^\[\]\n]*)\]\]")

TRIMS: dict[str, Callable[[str], str]] = {"strip": str.strip, "lstrip": str.lstrip, "rstrip": str.rstrip}


@dataclass(frozen=True)
class Slot:
    """Where a message of latents stands in a prompt. It prints as `<slot:NAME>`."""

    name: str

    def __str__(self) -> str:
        return f"<slot:{self.name}>"


@dataclass(frozen=True)
class QuestionText:
    """Where the question's text stands, trimmed by `trim` (a name in TRIMS; empty keeps it verbatim)."""

    trim: str = ""

    def fill(self, question: Question) -> str:
        return TRIMS[self.trim](question.text) if self.trim else question.text


@dataclass(frozen=True)
class FunctionName:
    """Where the function's name stands."""

    def fill(self, question: Question) -> str:
        if not question.function_name:
            raise UserError(explain_nameless(question))
        return question.function_name


def explain_nameless(question: Question) -> str:
    return (
        f"question {question.id} names no function, but its prompt asks for one by name; give it a "
        "function_name, or make its kind 'program'"
    )


Part = str | Slot | QuestionText | FunctionName
P = TypeVar("P")


@dataclass(frozen=True)
class Template:
    """A parsed prompt, neighbouring texts joined. No slot stands twice, and there is a question or a slot."""

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(merge(self.parts)))
        repeated = sorted({name for name in self.slots if self.slots.count(name) > 1})
        if repeated:
            raise UserError(f"the slot {repeated[0]!r} stands twice; a message has one place in a prompt")
        if not self.slots and not any(isinstance(part, QuestionText) for part in self.parts):
            raise UserError("a prompt with neither [[question]] nor a slot: every question would read alike")

    @classmethod
    def parse(cls, text: str) -> Template:
        """The template written in `text`. Raises UserError for a marker that is none of the known ones."""
        parts: list[Part] = []
        end = 0
        for marker in MARKER.finditer(text):
            parts += [text[end : marker.start()], _read_marker(*marker.groups())]
            end = marker.end()
        return cls((*parts, text[end:]))

    @property
    def slots(self) -> tuple[str, ...]:
        """Slot names in the order in which they stand."""
        return tuple(part.name for part in self.parts if isinstance(part, Slot))

    @property
    def source(self) -> str:
        """The text that parses to this template."""
        return "".join(_write_part(part) for part in self.parts)

    def render(self, question: Question) -> list[str | Slot]:
        """Text pieces, none of them empty, with the slots in between.

        Raises UserError where the function's name is needed and the question has none.
        """
        parts = (part if isinstance(part, str | Slot) else part.fill(question) for part in self.parts)
        return merge(parts)

    def render_text(self, question: Question, markers: Mapping[str, str] | None = None) -> str:
        """The prompt as plain text, each slot shown as `markers[name]`, or as `<slot:NAME>`."""
        shown = markers or {}
        return "".join(
            shown.get(piece.name, str(piece)) if isinstance(piece, Slot) else piece
            for piece in self.render(question)
        )


def _read_marker(escaped: str, body: str) -> Part:
    name, _, detail = body.partition(":")
    if escaped:
        return f"[[{body}]]"
    if body == "question" or (name == "question" and detail in TRIMS):
        return QuestionText(detail)
    if body == "function_name":
        return FunctionName()
    if name == "slot" and SLOT_NAME.fullmatch(detail):
        return Slot(detail)
    raise UserError(
        f"unknown placeholder [[{body}]]; known are [[question]] (also :strip, :lstrip, :rstrip), "
        f"[[function_name]] and [[slot:NAME]]; write [[!{body}]] for the text [[{body}]] itself"
    )


def _write_part(part: Part) -> str:
    match part:
        case str():
            return MARKER.sub(r"[[!\1\2]]", part)
        case Slot(name):
            return f"[[slot:{name}]]"
        case QuestionText(trim):
            return f"[[question:{trim}]]" if trim else "[[question]]"
        case FunctionName():
            return "[[function_name]]"


def merge(parts: Iterable[str | P]) -> list[str | P]:
    """The parts with neighbouring texts joined and empty texts left out."""
    merged: list[str | P] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, str) and isinstance(last, str):
            merged[-1] = last + part
        elif part != "":
            merged.append(part)
    return merged

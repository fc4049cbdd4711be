"""A question: what a benchmark asks, in the one form the rest of the package reads."""

from __future__ import annotations

import hashlib
import reprlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from recursivemas.errors import UserError

TaskKind = Literal["math", "choice", "gpqa", "function", "program"]
"""What a prompt is for: a boxed result, an option's letter (gpqa has wordings of its own), a Python
function, or a complete stdin/stdout program."""

CODE_KINDS: tuple[TaskKind, ...] = ("function", "program")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of a benchmark."""

    id: str
    """Unique within a benchmark; with the seed it decides the question's random numbers."""
    text: str
    """What prompts insert."""
    gold: str = ""
    """The reference answer as the benchmark gives it."""
    kind: TaskKind = "math"
    """Which prompts ask it, and how its answer is read."""
    options: tuple[str, ...] = ()
    """The option texts of a choice question in the order A, B, ...; empty otherwise."""
    function_name: str | None = None
    """The function that a `function` question asks for."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """What only the benchmark's grader reads."""


def as_questions(asked: str | Question | Iterable[str | Question], *, about_code: bool) -> list[Question]:
    """One question or several, texts among them, as questions.

    A text's id depends on the text alone, and on how often it came before. Raises UserError for anything
    else, and for a text where questions are `about_code`, as it does not say what to write.
    """
    if isinstance(asked, str | Question):
        asked = [asked]
    if isinstance(asked, Mapping) or not isinstance(asked, Iterable):
        raise UserError(f"questions is {reprlib.repr(asked)}; give a text, a Question, or a list of these")
    questions = []
    seen = Counter[str]()
    for index, one in enumerate(asked):
        if isinstance(one, str):
            if about_code:
                raise UserError(
                    f"questions[{index}] is a text, and the dataset is about code, where a text does not say "
                    "what to write; give Question(id=..., text=..., kind='function', function_name=...) or "
                    "kind='program'"
                )
            digest = hashlib.sha256(one.encode(errors="surrogatepass")).hexdigest()[:12]
            seen[digest] += 1
            one = Question(id=f"{digest}-{seen[digest]}", text=one)
        elif not isinstance(one, Question):
            raise UserError(
                f"questions[{index}] is {reprlib.repr(one)}; give its text, or Question(id='...', text='...')"
            )
        elif not (isinstance(one.id, str) and isinstance(one.text, str)):
            raise UserError(
                f"questions[{index}] has the id {one.id!r} and the text {reprlib.repr(one.text)}; both "
                "have to be texts"
            )
        questions.append(one)
    return questions

"""A question: what a benchmark asks, and the words for what is asked, which the rest of the package uses.

A *task* is what links are trained for and what a benchmark is about; a question's *kind* says how it is put;
the *form* of its answer says how a result is compared. Each narrows the one before.
"""

from __future__ import annotations

import hashlib
import reprlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from recursivemas.errors import UserError

Task = Literal["math", "code"]
"""A benchmark's task, as the release divides its link sets: text questions of all kinds are `math`."""

QuestionKind = Literal["math", "choice", "gpqa", "function", "program"]
"""What a prompt asks for: a boxed result, an option's letter (gpqa has wordings of its own), a Python
function, or a complete stdin/stdout program."""

KINDS_OF_TASK: Mapping[Task, tuple[QuestionKind, ...]] = {
    "math": ("math", "choice", "gpqa"),
    "code": ("function", "program"),
}
CODE_KINDS = KINDS_OF_TASK["code"]

AnswerForm = QuestionKind | Literal["integer", "phrase"]
"""How a result is compared: as its question's kind says, or as an integer, or by its words."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of a benchmark."""

    id: str
    """Unique within a benchmark; with the seed it decides the question's random numbers."""
    text: str
    """What prompts insert."""
    gold: str = ""
    """The reference answer as the benchmark gives it."""
    kind: QuestionKind = "math"
    """Which prompts ask it, and how its answer is read unless `meta` narrows it."""
    options: tuple[str, ...] = ()
    """The option texts of a choice question in the order A, B, ...; empty otherwise."""
    function_name: str | None = None
    """The function that a `function` question asks for."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """What only graders read."""

    @property
    def answer_form(self) -> AnswerForm:
        """How its answer is compared: `meta["answer_form"]` where there is one, else its kind.

        It is `integer` where the result is one (AIME), `phrase` where it is a name, a date or the like.
        """
        form: AnswerForm = self.meta.get("answer_form", self.kind)
        return form


def as_questions(asked: str | Question | Iterable[str | Question], *, task: Task) -> list[Question]:
    """One question or several, texts among them, as questions.

    A text's id depends on the text alone, and on how often it came before. Raises UserError for anything
    else, and for a text where the task is `code`, as it does not say what to write.
    """
    if isinstance(asked, str | Question):
        asked = [asked]
    if isinstance(asked, Mapping) or not isinstance(asked, Iterable):
        raise UserError(f"questions is {reprlib.repr(asked)}; give a text, a Question, or a list of these")
    questions = []
    seen = Counter[str]()
    for index, one in enumerate(asked):
        if isinstance(one, str):
            if task == "code":
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

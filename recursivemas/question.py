"""A question: what a benchmark asks, in the one form the rest of the package reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TaskKind = Literal["math", "choice", "gpqa", "function", "program"]
"""What a prompt is for: a boxed result, an option's letter (gpqa has wordings of its own), a Python
function, or a complete stdin/stdout program."""

CODE_KINDS: tuple[TaskKind, ...] = ("function", "program")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of a benchmark.

    `id` is unique within a benchmark and, with the seed, decides the question's random numbers. `text` is
    what prompts insert. `gold` is the reference answer as the benchmark gives it. `options` are the option
    texts of a choice question in the order A, B, ...; empty otherwise. `function_name` is the function that
    a `function` question asks for. `meta` holds what only the benchmark's grader reads.
    """

    id: str
    text: str
    gold: str = ""
    kind: TaskKind = "math"
    options: tuple[str, ...] = ()
    function_name: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

"""What a benchmark is: where its rows come from, and how a row becomes a Question.

A new benchmark is one more file with a `Benchmark` value, and a line in `BENCHMARKS`.

Source: docs/protocol.md, "Questions".
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any

from recursivemas.errors import UserError
from recursivemas.question import Question, Task
from recursivemas.styles import PUBLISHED_STYLES, Style

Row = Mapping[str, Any]

CHOOSE = "Choose the correct option"
CHOOSE_LINE = f"{CHOOSE} (A/B/C/D)."
"""What closes a choice question in the release."""


class DatasetError(UserError):
    """A benchmark's rows cannot be had or cannot be read as questions."""


USUAL_GRADERS = ("release", "strict")
MATHS_GRADERS = (*USUAL_GRADERS, "math_verify")
"""For benchmarks whose questions all ask for a mathematical result."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark as data.

    Its rows come from the hub, or from a local file.
    """

    name: str
    to_question: Callable[[Row, str, int], Question]
    """From a row, its id and the seed (for benchmarks that shuffle); raises ValueError for a row that it
    cannot use."""
    columns: tuple[str, ...]
    """Those that every row needs."""
    hub_id: str | None = None
    """The dataset on the hub, `owner/name`."""
    config: str | None = None
    """Which configuration of the dataset."""
    split: str | None = None
    hub_files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Where rows are the lines of JSONL files in that repository: those that it has for each split."""
    gated: bool = False
    """Whether the hub asks for consent first."""
    local_path: str | None = None
    """The file that is read where none is given."""
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For a column that is missing, others that are read in its place, the first that the row has: copies of
    a dataset rename columns."""
    id_columns: tuple[str, ...] = ()
    """A question's id is the first of these that the row has, else the row's number in the file, counted from
    0."""
    task: Task = "math"
    """Picks the link set."""
    metric: str = "accuracy"
    """The headline, which the first grader gives."""
    graders: tuple[str, ...] = USUAL_GRADERS
    """Names in `recursivemas.grading.GRADERS`."""
    num_rollouts: int = 1
    """How many answers to a question the metric looks at."""
    release_settings: Mapping[str, Any] = field(default_factory=dict)
    """What the release sets for it against its own flags (with release quirks only)."""
    needs_tool: str | None = None
    """A tool that the answering agent has to have."""
    rows: Sequence[Any] | None = field(default=None, compare=False, repr=False)
    """Those of a user's own file, which was read to tell what it asks."""

    @property
    def address(self) -> str:
        """What `--dataset` takes for it: its name, or the path of a user's own file."""
        return self.name if self.rows is None else str(self.local_path)

    def __post_init__(self) -> None:
        if (self.hub_id is None) == (self.local_path is None):
            raise ValueError(f"benchmark {self.name} needs either hub_id or local_path")
        if self.hub_id is not None and self.split is None:
            raise ValueError(f"benchmark {self.name} comes from the hub and needs a split")
        if self.hub_files and self.split not in self.hub_files:
            raise ValueError(f"benchmark {self.name} has no hub_files for its split {self.split!r}")

    def rename(self, row: Row) -> Row:
        """The row with missing columns filled from their aliases."""
        renamed = dict(row)
        for column, names in self.aliases.items():
            if column not in row and (found := next((name for name in names if name in row), None)):
                renamed[column] = renamed.pop(found)
        return renamed

    def check_style(self, style: Style) -> None:
        """UserError when agents of that style cannot do what the benchmark asks for."""
        if self.needs_tool is None or self.needs_tool in style.agents[-1].tools:
            return
        able = [one.name for one in PUBLISHED_STYLES.values() if self.needs_tool in one.agents[-1].tools]
        raise UserError(
            f"dataset {self.name} needs an answering agent with the tool {self.needs_tool}, as that of the "
            f"style {' or '.join(able)}; style is {style.name!r}. Give --style {able[0]}, give the agent "
            f"`tools: [{self.needs_tool}]`, or take another --dataset"
        )


def text_field(row: Row, name: str) -> str:
    """The field as text without outer white space; numbers count as text. ValueError when there is none."""
    text = as_text(row[name], f"field {name!r}").strip()
    if not text:
        raise ValueError(f"field {name!r} is empty")
    return text


def as_text(value: object, what: str) -> str:
    """A text or a finite number as text; ValueError, with `what` it is, for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{what} has to be text, not {reprlib.repr(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{what} is {value}, which no answer can equal; write the number, or a text")
    return str(value)


def lettered_lines(options: Sequence[str]) -> str:
    """The lines `A. ...`, `B. ...` of a choice question."""
    return "\n".join(f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False))


def has_lettered_lines(text: str) -> bool:
    """Whether lines begin with `A` and `B`, each followed by one of `.`, `)`, `:`, `-`."""
    return all(re.search(rf"(?m)^[ \t]*{letter}\s*[.):-]", text) for letter in ascii_uppercase[:2])


def with_choose_line(text: str) -> str:
    """The text and, after a blank line, the line to choose; not where it asks so already, in any case.

    Source: docs/protocol.md, "Questions".
    """
    return text if CHOOSE.lower() in text.lower() else f"{text.rstrip()}\n\n{CHOOSE_LINE}"

"""What is learnt from: rows of questions and of the texts that the agents should have written on them.

Source: docs/training.md, "Data".
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recursivemas.benchmarks.base import DatasetError
from recursivemas.benchmarks.files import SUFFIXES, read_rows
from recursivemas.errors import UserError
from recursivemas.question import CODE_KINDS, Question, QuestionKind
from recursivemas.styles import Style

logger = logging.getLogger(__name__)

TASKS = ("math", "code", "choice")
"""What a training run is about; a row's own `task_family` wins over it."""
DEFAULT_SPLIT = "train"
DEFAULT_FIELD = "data"
ANSWER = "answer"
"""The field whose texts may end so."""
CUE = "Final Answer: \\boxed{%s}"
"""What stands behind the text of an answer whose result comes after `####`, as in gsm8k."""
BARE_RESULT = re.compile(r"(?:\A|\n)#### +(\S[^\n]*?)\s*\Z")
"""The last line alone: headings begin with the same signs, and texts go on behind them."""
NAMED_AT_MOST = 5
"""So many rows of a kind are named; the others are counted."""


@dataclass(frozen=True)
class Target:
    """A text to learn from."""

    text: str
    cue: str = ""
    """What follows in the same turn and is read, but is nothing that an inner link learns."""


@dataclass(frozen=True, kw_only=True)
class TrainingRow:
    """A question, and by role the texts that there are for it."""

    question: Question
    targets: Mapping[str, Target]


NOT_FINITE_LOSS = "a loss that is not finite"


@dataclass
class Skipped:
    """Rows that nothing is learnt from, by reason."""

    rows: dict[str, list[str]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    """How often a reason was given here, for the same row too."""

    def add(self, reason: str, row_id: str) -> None:
        """Note a row, once a reason."""
        self.times[reason] += 1
        noted = self.rows.setdefault(reason, [])
        if row_id not in noted:
            noted.append(row_id)

    def merge(self, rows: Mapping[str, Sequence[str]]) -> None:
        """Note rows by reason that were noted elsewhere."""
        for reason, names in rows.items():
            for name in names:
                self.add(reason, name)

    def __len__(self) -> int:
        return len({row for rows in self.rows.values() for row in rows})

    def describe(self) -> str:
        """`3 rows: no text in 'plan' (rows 2, 5 and 1 more)`; empty where there are none."""
        return "; ".join(f"{len(rows)} with {reason} ({_named(rows)})" for reason, rows in self.rows.items())


def read_training_rows(
    style: Style,
    name: str,
    *,
    task: str = "math",
    config: str | None = None,
    split: str | None = None,
    field_name: str | None = None,
) -> list[TrainingRow]:
    """The rows of a local file (JSON, also with a `data` list, JSONL, CSV, Parquet), or of a hub's dataset.

    `field_name` names another list in a JSON file than `data`; `config` and `split` are the hub's. Raises
    DatasetError for rows that cannot be had.
    """
    path = Path(name)
    if path.suffix.lower() in SUFFIXES.split(", ") or path.exists():
        if not path.is_file():
            raise DatasetError(
                f"there is no file {path}; give one that ends in {SUFFIXES}, or a dataset's id"
            )
        if config is not None:
            raise UserError(
                f"dataset_config {config!r} is about datasets on the hub, and {path} is a file; drop it"
            )
        if split not in (None, DEFAULT_SPLIT):
            raise UserError(
                f"dataset_split {split!r} is about datasets on the hub, and {path} is a file, all of which "
                f"is {DEFAULT_SPLIT!r}; drop it"
            )
        if field_name not in (None, DEFAULT_FIELD) and path.suffix.lower() != ".json":
            raise UserError(
                f"dataset_json_field {field_name!r} is about .json files, and {path} is none; drop it"
            )
        return as_training_rows(style, _read_file(path, field_name), task=task)
    if field_name not in (None, DEFAULT_FIELD):
        raise UserError(
            f"dataset_json_field {field_name!r} is about .json files, and {name} is a dataset on the hub; "
            "drop it"
        )
    return as_training_rows(style, _read_hub(name, config, split or DEFAULT_SPLIT), task=task)


def _read_file(path: Path, field_name: str | None) -> list[Any]:
    if field_name is None or path.suffix.lower() != ".json":
        return read_rows(path)
    import json

    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig")).get(field_name)
    except (ValueError, AttributeError, RecursionError) as error:
        raise DatasetError(f"{path} is no JSON object with a list {field_name!r}: {error}") from error
    if not isinstance(rows, list):
        raise DatasetError(f"{path} has no list {field_name!r}; give --dataset_json_field the list's name")
    return rows


def _read_hub(name: str, config: str | None, split: str) -> Iterable[Any]:
    # Imported here: it takes seconds, and a local file does not need it.
    import datasets

    try:
        return datasets.load_dataset(name, config, split=split)
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        raise DatasetError(
            f"the dataset {name} (split {split}) could not be had: {error}\nGive a local file, or what "
            f"https://huggingface.co/datasets/{name} lists with --dataset_config and --dataset_split"
        ) from error


def as_training_rows(style: Style, data: Iterable[Any], *, task: str = "math") -> list[TrainingRow]:
    """Rows as mappings -> rows to train on, those that lack something among them (`usable_rows` counts them).

    A row has a `question` and each agent's text in one of its fields (`Style.target_fields`); it may have an
    `id`, a `task_family` (else it is about `task`), for code `type` (`function` or `complete`) and `fn_name`,
    and `gold`, the bare result that a held-out answer is graded by. Raises UserError for an unknown task, and
    DatasetError for a row that is no mapping.
    """
    _check_task(task, "task")
    rows = []
    for index, row in enumerate(data):
        if not isinstance(row, Mapping):
            raise DatasetError(f"row {index} (counted from 0) is {row!r:.60}, not an object with fields")
        rows.append(_training_row(style, row, _text(row, "id") or str(index), task))
    repeated = [row_id for row_id, count in Counter(row.question.id for row in rows).items() if count > 1]
    if repeated:
        raise DatasetError(f"the id {repeated[0]!r} stands twice; make ids unique, or leave them out")
    return rows


def _check_task(task: object, where: str) -> None:
    if task not in TASKS:
        raise UserError(f"{where} is {task!r}; it has to be one of {', '.join(TASKS)}")


def _training_row(style: Style, row: Mapping[str, Any], row_id: str, task: str) -> TrainingRow:
    task = _text(row, "task_family") or task
    _check_task(task, f"row {row_id}: task_family")
    targets = {}
    for role in style.roles:
        texts = ((place, _text(row, place)) for place in style.target_fields(role))
        place, text = next((one for one in texts if one[1]), ("", ""))
        if text:
            targets[role] = _answer(text) if place == ANSWER else Target(text)
    name = _text(row, "fn_name") or None
    question = Question(
        id=row_id,
        text=_text(row, "question"),
        gold=_text(row, "gold") or _bare_result(_text(row, "answer")),
        kind=_kind(task, _text(row, "type"), name),
        function_name=name,
    )
    return TrainingRow(question=question, targets=targets)


def _kind(task: str, wording: str, function_name: str | None) -> QuestionKind:
    if task == "code":
        return "function" if wording == "function" or (not wording and function_name) else "program"
    return "choice" if task == "choice" else "math"


def task_of(question: Question) -> str:
    """One of TASKS."""
    return "code" if question.kind in CODE_KINDS else question.kind


def _text(row: Mapping[str, Any], name: str) -> str:
    """The field, stripped; empty where it holds nothing (NaN in some tables) or a list or object."""
    value = row.get(name)
    if value is None or value != value or isinstance(value, Mapping | list | tuple | bytes):
        return ""
    # Half a surrogate pair, which no tokenizer reads, becomes U+FFFD; a whole one its character.
    return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()


def _answer(text: str) -> Target:
    """gsm8k's answers end in `#### 42`: the cue with the result in a box stands for that."""
    bare = BARE_RESULT.search(text)
    before = text[: bare.start()].rstrip() if bare else ""
    return Target(before, "\n" + CUE % bare[1]) if bare and before else Target(text)


def _bare_result(answer: str) -> str:
    bare = BARE_RESULT.search(answer)
    return bare[1] if bare else answer


def usable_rows(
    rows: Sequence[TrainingRow], style: Style, roles: Iterable[str]
) -> tuple[list[TrainingRow], Skipped]:
    """The rows that have a question and a text for each of `roles`; which of them do not, and why.

    Raises DatasetError where none is left.
    """
    kept, skipped, roles = [], Skipped(), list(roles)
    for row in rows:
        lacking = [role for role in roles if role not in row.targets]
        if not row.question.text:
            skipped.add("no question", row.question.id)
        elif lacking:
            fields = " or ".join(map(repr, style.target_fields(lacking[0])))
            skipped.add(f"no text for the {lacking[0]} ({fields})", row.question.id)
        else:
            kept.append(row)
    if not kept:
        raise DatasetError(f"no row can be trained on: {skipped.describe() or 'there are none'}")
    if skipped:
        logger.warning("left out %d of %d rows: %s", len(skipped), len(rows), skipped.describe())
    return kept, skipped


def _named(rows: Sequence[str]) -> str:
    more = len(rows) - NAMED_AT_MOST
    shown = ", ".join(rows[:NAMED_AT_MOST])
    return f"row {shown}" + (f" and {more} more" if more > 0 else "")

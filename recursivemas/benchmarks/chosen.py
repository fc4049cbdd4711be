"""Which of a benchmark's questions a run takes: the first N, N at random, or those that are named."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path

from recursivemas.benchmarks.base import DatasetError
from recursivemas.errors import near_or_some
from recursivemas.files.own import read_text

RANGE = re.compile(r"(\d+)-(\d+)")
"""Positions, counted from 0, both ends included."""


def choose_some(num_rows: int, num_samples: int | None, question_seed: int | None) -> Sequence[int]:
    """Positions in file order: all, the first `num_samples`, or with `question_seed` as many at random."""
    if num_samples is None or num_samples >= num_rows:
        return range(num_rows)
    if question_seed is None:
        return range(num_samples)
    return sorted(random.Random(question_seed).sample(range(num_rows), num_samples))


def choose_named(sample_ids: str, ids: Sequence[str]) -> list[int]:
    """Positions, in file order and each once, of the questions that `sample_ids` names.

    It has ids and ranges of positions (`0-9`, counted from 0, both ends included), separated by commas, or
    `@FILE` with one of them a line. What is an id is that question, also where it looks like a range. Raises
    DatasetError for an id that none of `ids` is, with some that are near it or that there are, and for a
    range beyond them, and UserError for a file that cannot be read.
    """
    entries = _entries(sample_ids)
    where = {one: position for position, one in enumerate(ids)}
    chosen: set[int] = set()
    for entry in entries:
        if entry in where:
            chosen.add(where[entry])
        elif found := RANGE.fullmatch(entry):
            chosen.update(_positions(entry, int(found[1]), int(found[2]), len(ids)))
        else:
            raise DatasetError(_explain_unknown(entry, ids, from_file=sample_ids.startswith("@")))
    return sorted(chosen)


def _entries(sample_ids: str) -> list[str]:
    if not sample_ids.startswith("@"):
        return _filled(sample_ids.split(","), f"sample_ids {sample_ids!r}")
    file = Path(sample_ids[1:]).expanduser()
    if not file.is_file():
        raise DatasetError(
            f"sample_ids names the file {file}, and there is none; give @FILE with an id a line"
        )
    return _filled(read_text(file, str(file)).splitlines(), f"{file}, which sample_ids names,")


def _filled(parts: Sequence[str], what: str) -> list[str]:
    entries = [part.strip() for part in parts if part.strip()]
    if not entries:
        raise DatasetError(f"{what} names no question; give ids, or positions such as 0-9")
    return entries


def _positions(entry: str, first: int, last: int, num_rows: int) -> Sequence[int]:
    if first > last:
        raise DatasetError(f"sample_ids has the range {entry}, which is empty; write the lower end first")
    if last >= num_rows:
        raise DatasetError(
            f"sample_ids has the range {entry}, and there are {num_rows} questions: positions go from 0 to "
            f"{num_rows - 1}"
        )
    return range(first, last + 1)


def _explain_unknown(entry: str, ids: Sequence[str], *, from_file: bool) -> str:
    number = f"; position {entry} is written {entry}-{entry}" if entry.isdecimal() else ""
    comma = "; in a file each id has a line of its own" if from_file and "," in entry else ""
    return (
        f"sample_ids names {entry!r}, which no question of the {len(ids)} in the dataset has as its id; "
        f"{near_or_some(entry, ids)}{number}{comma}"
    )

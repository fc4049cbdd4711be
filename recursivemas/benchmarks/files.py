"""Rows of a local file: JSON, JSONL, CSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recursivemas.benchmarks.base import DatasetError


def read_rows(file: Path) -> list[Any]:
    """The file's rows in order. DatasetError for a file of another kind, and for one that is damaged."""
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise DatasetError(f"{file} ends in {file.suffix or 'nothing'}; accepted are {SUFFIXES}")
    return reader(file)


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file} is not UTF-8 text: {error}") from error


def _read_jsonl(file: Path) -> list[Any]:
    rows = []
    # Not splitlines(): a JSON string may hold U+2028 and the like, which are no line ends here.
    for number, line in enumerate(_read_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(_parse(line, f"{file}, line {number}"))
        except json.JSONDecodeError as error:
            raise DatasetError(
                f"{file}, line {number} is not valid JSON ({error.msg}, column {error.colno}); "
                "each line has to be one object"
            ) from error
    return rows


def _parse(text: str, what: str) -> Any:
    """The data in JSON text; JSONDecodeError where it is none, DatasetError where it is too much."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise DatasetError(f"{what} is nested too deep to be read; rows are objects of texts") from None
    except ValueError as error:  # a whole number that is too long for Python
        raise DatasetError(f"{what} holds a number that is too long ({error}); write it as a text") from error


def _read_json(file: Path) -> list[Any]:
    text = _read_text(file)
    if not text.strip():
        return []
    try:
        data = _parse(text, str(file))
    except json.JSONDecodeError as error:
        hint = "; if each line is an object of its own, name the file .jsonl" if error.lineno > 1 else ""
        raise DatasetError(
            f"{file} is not valid JSON ({error.msg}, line {error.lineno}, column {error.colno}){hint}"
        ) from error
    rows = data.get("data") if isinstance(data, Mapping) else data
    if not isinstance(rows, list):
        raise DatasetError(f"{file} has to hold a list of rows, or an object with such a list under 'data'")
    return rows


def _read_csv(file: Path) -> list[Any]:
    """Cells stay text, so that 007 and 1.50 stay what they are; an empty cell is None."""
    try:
        table = list(csv.reader(io.StringIO(_read_text(file), newline=""), strict=True))
    except csv.Error as error:
        raise DatasetError(f"{file} is not valid CSV: {error}") from error
    rows = [row for row in table if row]
    if not rows:
        return []
    header = [name.strip() for name in rows[0]]
    if len(set(header)) < len(header):
        raise DatasetError(f"{file} has a column name twice in its first line: {', '.join(header)}")
    for number, row in enumerate(rows[1:]):
        if len(row) != len(header):
            raise DatasetError(
                f"{file}, row {number} (counted from 0) has {len(row)} cells, its first line names "
                f"{len(header)} columns; put a cell with a comma or a line break in double quotes"
            )
    return [dict(zip(header, (cell or None for cell in row), strict=True)) for row in rows[1:]]


def _read_parquet(file: Path) -> list[Any]:
    # Imported here: it takes a while, and only these files need it.
    import pyarrow
    from pyarrow import parquet

    try:
        rows: list[Any] = parquet.read_table(file).to_pylist()
    except pyarrow.ArrowException as error:
        raise DatasetError(f"{file} is not a Parquet file: {error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file} holds a text that is not UTF-8: {error}") from error
    return rows


_READERS: Mapping[str, Callable[[Path], list[Any]]] = {
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
SUFFIXES = ", ".join(_READERS)

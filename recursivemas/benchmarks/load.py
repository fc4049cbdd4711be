"""A benchmark's questions, from the hub through `datasets` or from a local file."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recursivemas.benchmarks.base import Benchmark, DatasetError, Row, as_text
from recursivemas.benchmarks.chosen import choose_named, choose_some
from recursivemas.benchmarks.files import SUFFIXES, read_rows
from recursivemas.benchmarks.hub_files import COMMIT, FileRows, commit_in, read_hub_files
from recursivemas.question import Question


class Questions(list[Question]):
    """Questions in order; `commit` is that of the dataset on the hub, None where they come from a file."""

    def __init__(self, questions: Iterable[Question], *, commit: str | None) -> None:
        super().__init__(questions)
        self.commit = commit


def load_questions(
    benchmark: Benchmark,
    *,
    path: str | Path | None = None,
    split: str | None = None,
    seed: int = 42,
    num_samples: int | None = None,
    question_seed: int | None = None,
    sample_ids: str | None = None,
    style: str | None = None,
    revision: str | None = None,
) -> Questions:
    """The benchmark's questions in file order, all of them, `num_samples` or those of `sample_ids`.

    `path` is a local file in the benchmark's fields; without it the rows come from the hub, or from the
    benchmark's own local path. `split` overrides the hub split, and `revision`, a commit, tag or branch, its
    newest state. `seed` shuffles options where the benchmark
    does. `num_samples` takes the first N, or with `question_seed` a random N, still in file order; more than
    there are gives all. `sample_ids` names questions by id and position, see `chosen.choose_named`, and
    is given without the other two. Ids depend on none of this. A row with a column `styles`, a list, is for
    these alone: for another `style` it is as if it were not there.

    Raises DatasetError when the rows cannot be had, are none, lack a column, share an id, or have none that
    `sample_ids` names.
    """
    if num_samples is not None and num_samples < 1:
        raise DatasetError(f"num_samples is {num_samples}; it has to be at least 1 (leave it out for all)")
    rows, where = _read_rows(benchmark, path, split, revision)
    if len(rows) == 0:
        raise DatasetError(f"{where} holds no questions")
    commit = commit_of(rows)
    rows = _for_style(rows, style, where)
    if sample_ids is None:
        chosen = choose_some(len(rows), num_samples, question_seed)
    else:
        ids = _all_ids(benchmark, rows, where)
        _check_ids(ids, where)
        chosen = choose_named(sample_ids, ids)
    questions = [_to_question(benchmark, rows[index], index, seed, where) for index in chosen]
    _check_ids([question.id for question in questions], where)
    return Questions(questions, commit=commit)


def _for_style(rows: Sequence[Any], style: str | None, where: str) -> Sequence[Any]:
    named = {
        index: row["styles"]
        for index, row in enumerate(rows)
        if isinstance(row, Mapping) and row.get("styles")
    }
    if style is None or not named:
        return rows
    for index, styles in named.items():
        if not isinstance(styles, list):
            raise DatasetError(
                f"{where}, row {index} (counted from 0): 'styles' is {styles!r}; it has to be a list of names"
            )
    kept = [row for index, row in enumerate(rows) if style in named.get(index, [style])]
    if not kept:
        known = ", ".join(sorted({str(name) for styles in named.values() for name in styles}))
        raise DatasetError(f"{where} holds no questions for the style {style}; it has some for {known}")
    return kept


def _all_ids(benchmark: Benchmark, rows: Sequence[Any], where: str) -> list[str]:
    """The ids of all rows, of which no other field is read."""
    try:
        return [
            _question_id(benchmark, row if isinstance(row, Mapping) else {}, index)
            for index, row in enumerate(rows)
        ]
    except ValueError as error:
        raise DatasetError(f"{where}: {error}") from error


def _to_question(benchmark: Benchmark, row: Any, index: int, seed: int, where: str) -> Question:
    place = f"{where}, row {index} (counted from 0)"
    if not isinstance(row, Mapping):
        raise DatasetError(
            f"{place} is {reprlib.repr(row)}, not an object with the fields of {benchmark.name}"
        )
    row = benchmark.rename(row)
    missing = [column for column in benchmark.columns if column not in row]
    if missing:
        raise DatasetError(
            f"{place} has no column {missing[0]!r}. {benchmark.name} needs {', '.join(benchmark.columns)}; "
            f"the row has {', '.join(map(str, row)) or 'none'}"
        )
    try:
        _check_unicode(row)
        return benchmark.to_question(row, _question_id(benchmark, row, index), seed)
    except ValueError as error:
        raise DatasetError(f"{place}: {error}") from error
    except RecursionError:
        raise DatasetError(f"{place} holds something that is nested too deep to be read") from None


def _check_unicode(value: Any, name: str = "") -> None:
    """ValueError where a text, however deep, holds half of a surrogate pair: no tokenizer takes it."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            half = ascii(value[error.start])
            raise ValueError(f"field {name!r} holds {half}, half of a character; write it whole") from None
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            _check_unicode(entry, name or str(key))
    elif isinstance(value, list | tuple):
        for entry in value:
            _check_unicode(entry, name)


def _question_id(benchmark: Benchmark, row: Row, index: int) -> str:
    for column in benchmark.id_columns:
        if row.get(column) not in (None, ""):
            return as_text(row[column], f"field {column!r}")
    return str(index)


def _check_ids(ids: Sequence[str], where: str) -> None:
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise DatasetError(
                f"{where} has the question id {one!r} more than once; ids decide a question's random "
                "numbers and name its results, so make them unique or drop the id column"
            )
        seen.add(one)


# ---------------------------------------------------------------------------------------------------------
# Where rows come from


def _read_rows(
    benchmark: Benchmark, path: str | Path | None, split: str | None, revision: str | None
) -> tuple[Sequence[Any], str]:
    """The rows and a name for their source that errors can use."""
    if path is None and benchmark.hub_id is not None:
        return _read_hub(benchmark, split or benchmark.split, revision), benchmark.hub_id
    if split is not None:
        raise DatasetError(f"split {split!r} means nothing for a local file; leave --dataset_split out")
    if revision is not None:
        raise DatasetError(
            f"revision {revision!r} means nothing for a local file; leave --dataset_revision out"
        )
    if path is None and benchmark.rows is not None:
        return benchmark.rows, benchmark.address
    file = Path(path or benchmark.local_path or "")
    if not file.is_file():
        raise DatasetError(_explain_missing_file(benchmark, file, given=path is not None))
    return read_rows(file), str(file)


def _explain_missing_file(benchmark: Benchmark, file: Path, *, given: bool) -> str:
    if file.is_dir():
        return f"{file} is a folder; --dataset_path takes a file that ends in {SUFFIXES}"
    if given:
        return f"there is no file {file}; --dataset_path takes one that ends in {SUFFIXES}"
    return (
        f"{benchmark.name} is read from a local file and there is none at {file} (looked up from the working "
        f"directory). Give one with --dataset_path FILE; dataset/README.md describes its fields"
    )


def _read_hub(benchmark: Benchmark, split: str | None, revision: str | None) -> Sequence[Any]:
    # Imported here: they take seconds, and a local file does not need them.
    import datasets
    from huggingface_hub.errors import RevisionNotFoundError
    from huggingface_hub.utils import httpx

    try:
        if benchmark.hub_files:
            return read_hub_files(str(benchmark.hub_id), _files_of(benchmark, split), revision)
        rows: Sequence[Any] = datasets.load_dataset(
            benchmark.hub_id, benchmark.config, split=split, revision=revision
        )
    except DatasetError:
        raise
    except httpx.TransportError as error:
        # A connection lost between two requests reaches us as it is; `datasets` wraps only the first one.
        raise DatasetError(_explain_hub_error(benchmark, split, ConnectionError(str(error)))) from error
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        if RevisionNotFoundError in (type(error), type(error.__cause__)):
            raise DatasetError(_explain_revision(benchmark, revision)) from error
        raise DatasetError(_explain_hub_error(benchmark, split, error)) from error
    found = commit_of(rows)
    if COMMIT.fullmatch(revision or "") and found not in (None, revision):
        # Without a network `datasets` takes whatever it has kept of the dataset.
        raise DatasetError(
            f"{benchmark.hub_id} is here at {found}, and dataset_revision asks for "
            f"{revision}, which could not be fetched. Unset HF_HUB_OFFLINE, or drop --dataset_revision"
        )
    return rows


def commit_of(rows: Any) -> str | None:
    """The commit of a dataset's repository that these rows are from; None where they come from none.

    It names a folder of both caches, the hub's and that of `datasets`.
    """
    if isinstance(rows, FileRows):
        return rows.commit
    files = getattr(rows, "cache_files", None) or []
    return next((found for file in files if (found := commit_in(Path(file["filename"])))), None)


def _explain_revision(benchmark: Benchmark, revision: str | None) -> str:
    page = f"https://huggingface.co/datasets/{benchmark.hub_id}"
    return (
        f"{benchmark.hub_id} has no revision {revision!r}; --dataset_revision takes a commit, tag or branch "
        f"that {page} lists, and its newest state where it is left out"
    )


def _files_of(benchmark: Benchmark, split: str | None) -> Sequence[str]:
    files = benchmark.hub_files.get(split or "")
    if files is None:
        raise DatasetError(
            f"{benchmark.name} has no split {split!r}; --dataset_split takes {', '.join(benchmark.hub_files)}"
        )
    return files


def _explain_hub_error(benchmark: Benchmark, split: str | None, error: Exception) -> str:
    page = f"https://huggingface.co/datasets/{benchmark.hub_id}"
    from_file = "or give a local file with --dataset_path FILE"
    what = f"{benchmark.name} could not be loaded from {benchmark.hub_id} (split {split}): {error}"
    if isinstance(error, ConnectionError):
        return (
            f"{what}\nCheck the network, and that HF_HUB_OFFLINE is unset unless the dataset is cached, "
            f"{from_file}"
        )
    if benchmark.gated and isinstance(error, OSError):
        return (
            f"{what}\nThe dataset is gated: accept its terms at {page} and set HF_TOKEN to a token of that "
            f"account, {from_file}"
        )
    if isinstance(error, ValueError):
        return f"{what}\nGive a split that {page} lists with --dataset_split, {from_file}"
    return f"{what}\nSee {page}, {from_file}"

"""A run in the forms that other tools read."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError
from recursivemas.files.whole import naming_output
from recursivemas.report.exports.inspect_log import check_inspect, write_inspect_log
from recursivemas.report.exports.lm_eval import files_of, write_lm_eval
from recursivemas.report.exports.source import Source
from recursivemas.report.exports.table import write_table
from recursivemas.runs.files import read_config


def _alone(source: Source, output: Path) -> Sequence[Path]:
    return (output,)


@dataclass(frozen=True, kw_only=True)
class Format:
    """A form that runs can be exported to."""

    words: str
    """What it is."""
    suffix: str
    """Of the file that is written; empty where files are written into a folder."""
    write: Callable[[Source, Path], None]
    """Raises OSError where the output cannot be written."""
    files: Callable[[Source, Path], Sequence[Path]] = _alone
    """What is written."""
    check: Callable[[], None] = lambda: None
    """Raises UserError where a package is missing."""


FORMATS: Mapping[str, Format] = {
    "inspect": Format(
        words="a log for inspect_ai, RUN.eval", suffix=".eval", write=write_inspect_log, check=check_inspect
    ),
    "lm-eval": Format(
        words="lm-evaluation-harness' results and samples, in a folder",
        suffix="",
        write=write_lm_eval,
        files=files_of,
    ),
    "csv": Format(words="a flat table, RUN.csv", suffix=".csv", write=write_table),
}
"""By the name that `--to` takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write a run in the form that another tool reads."
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder, finished or not")
    words = "; ".join(f"{name}: {form.words}" for name, form in FORMATS.items())
    parser.add_argument("--to", choices=tuple(FORMATS), required=True, help=words)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="PATH", help="the file, or for lm-eval the folder"
    )
    parser.add_argument("--force", action="store_true", help="write over what is there")


def run(arguments: Mapping[str, Any]) -> None:
    """`recursivemas export RUN --to FORMAT -o PATH`: write it and say how much it holds."""
    source, files = export(arguments["run"], arguments["to"], arguments["output"], force=arguments["force"])
    print(f"{' and '.join(map(str, files))} ({source.extent()})")


def export(path: Path, to: str, output: Path, *, force: bool = False) -> tuple[Source, Sequence[Path]]:
    """Write the run in that folder in the form `to` of FORMATS; returns what was exported, and the files.

    Raises UserError for a folder that holds no run or no answer yet, for an `output` that does not fit the
    form, exists (without `force`) or cannot be written, and for a package that is missing.
    """
    form = FORMATS[to]
    _check_place(output, form.suffix)
    read_config(path)  # what is there is seen to before what is installed
    form.check()
    source = Source.open(path)
    files = form.files(source, output)
    if there := next((file for file in files if file.exists() and not force), None):
        raise UserError(f"{there} exists and would be overwritten; give another -o, or --force")
    with naming_output(output, "another -o. The run itself is as it was"):
        output.parent.mkdir(parents=True, exist_ok=True)
        form.write(source, output)
    return source, files


def _check_place(output: Path, suffix: str) -> None:
    """Raise UserError where that is no place for a file of that suffix, or for a folder."""
    if not suffix:
        if output.exists() and not output.is_dir():
            raise UserError(
                f"{output} is a file; give the folder that results and samples are to be put into"
            )
        return
    if output.is_dir():
        raise UserError(f"{output} is a folder; give the file to write, such as {output / f'run{suffix}'}")
    if output.suffix != suffix:
        raise UserError(f"{output} is to be a {suffix} file; give -o {output.with_suffix(suffix)}")

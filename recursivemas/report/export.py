"""A run in the forms that other tools read."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError
from recursivemas.report.exports.source import Source
from recursivemas.report.exports.table import write_table


@dataclass(frozen=True, kw_only=True)
class Format:
    """A form that runs can be exported to. `write` raises OSError where `output` cannot be written."""

    suffix: str
    """Of the file that is written; empty for a folder."""
    write: Callable[[Source, Path], None]


FORMATS: Mapping[str, Format] = {
    "csv": Format(suffix=".csv", write=write_table),
}
"""By the name that `--to` takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write a run in the form that another tool reads."
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder, finished or not")
    parser.add_argument("--to", choices=tuple(FORMATS), required=True, help="the form")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PATH", help="the file to write")
    parser.add_argument("--force", action="store_true", help="write over what is there")


def run(arguments: Mapping[str, Any]) -> None:
    """`recursivemas export RUN --to FORMAT -o PATH`: write it and say how much it holds."""
    output = arguments["output"]
    extent = export(arguments["run"], arguments["to"], output, force=arguments["force"])
    print(f"{output} ({extent})")


def export(path: Path, to: str, output: Path, *, force: bool = False) -> str:
    """Write the run in that folder in the form `to` of FORMATS; returns how much it holds, in words.

    Raises UserError for a folder that holds no run or no answer yet, for an `output` that does not fit the
    form, exists (without `force`) or cannot be written, and for a package that is missing.
    """
    form = FORMATS[to]
    check_output(output, form.suffix, force=force)
    source = Source.open(path)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        form.write(source, output)
    except OSError as error:
        raise UserError(
            f"{output} could not be written ({error.strerror or error}); free some space there, or give "
            "another -o. The run itself is as it was"
        ) from error
    return source.extent()


def check_output(output: Path, suffix: str, *, force: bool) -> None:
    """Raise UserError where that is no place for a file of that suffix."""
    if output.is_dir():
        raise UserError(f"{output} is a folder; give the file to write, such as {output / f'run{suffix}'}")
    if output.suffix != suffix:
        raise UserError(f"{output} is to be a {suffix} file; give -o {output.with_suffix(suffix)}")
    if output.exists() and not force:
        raise UserError(f"{output} exists and would be overwritten; give another -o, or --force")

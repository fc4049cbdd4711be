"""A run as one page: every question, every message, every verdict, to be opened from disk."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError
from recursivemas.files.whole import naming_output, write_whole
from recursivemas.report.compare import compare_runs, differences_in_words
from recursivemas.report.page.contents import RunContents, differences, note_changes
from recursivemas.report.page.document import PageRun, render
from recursivemas.runs.files import SAMPLES
from recursivemas.runs.read import check_given_once, style_of
from recursivemas.runs.shared import iterate_finished
from recursivemas.styles.drawing import draw

LARGE_BYTES = 100_000_000
"""What browsers take a while to open."""
SUFFIXES = (".html", ".htm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write one page that shows a run: questions, messages, texts, verdicts."
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder, finished or not")
    parser.add_argument(
        "other",
        type=Path,
        nargs="?",
        metavar="OTHER",
        help="another run on the same questions, to hold it against",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="PAGE.html", help="the file to write"
    )


def run(arguments: Mapping[str, Any]) -> None:
    """`recursivemas view RUN [OTHER] -o page.html`: write the page and say how large it is."""
    output = arguments["output"]
    size = write_page(output, arguments["run"], arguments["other"])
    large = "; browsers take some seconds to open it" if size > LARGE_BYTES else ""
    print(f"{output} ({size / 1e6:.1f} MB{large})")


def write_page(output: Path, path: Path, other: Path | None = None, cure: str = "another -o") -> int:
    """Write the page of the run in that folder, over one that is there; returns its size in bytes.

    `cure` is what to give instead of an output that cannot be written. Raises UserError for an `output` that
    is no .html file, as what stands there may be the run's own, and what `view` raises.
    """
    if output.is_dir():
        raise UserError(f"{output} is a folder; give the file to write, such as {output / 'page.html'}")
    if output.suffix.lower() not in SUFFIXES:
        raise UserError(f"{output} is to be a .html file; give -o {output.with_suffix('.html')}")
    page = view(path, other).encode(errors="backslashreplace")
    with naming_output(output, cure):
        output.parent.mkdir(parents=True, exist_ok=True)
        write_whole(output, page)
    return len(page)


def view(path: Path, other: Path | None = None) -> str:
    """The page of the run in that folder, held against another one where that is given.

    Raises UserError for a folder that holds no run or no answer yet, for runs that cannot be compared, and
    for a run held against itself.
    """
    if other is not None:
        check_given_once([path, other])
    contents = [_contents(path, path.resolve().name)]
    if other is not None:
        same_name = other.resolve().name == contents[0].label
        contents.append(_contents(other, str(other) if same_name else other.resolve().name))
        note_changes(*contents)
    facts = {
        "runs": [{"facts": one.facts(), "questions": list(one.entries.values())} for one in contents],
        "against": _against(*contents) if other is not None else None,
    }
    return render(
        " against ".join(one.label for one in contents),
        facts,
        [PageRun(details=one.details, graph=draw(style_of(one.config), one.run.rounds)) for one in contents],
    )


def _against(contents: RunContents, other: RunContents) -> dict[str, Any]:
    """A run held against another on the questions that both have; raises what `compare_runs` raises."""
    compared = compare_runs([other.run, contents.run])
    return {
        "shared": len(compared.shared),
        "differences": differences(compared.pairs[0].differences),
        "settings": differences_in_words(compared.pairs[0]),
    }


def _contents(path: Path, label: str) -> RunContents:
    contents = RunContents(path, label)
    for sample in iterate_finished(path):
        contents.add(sample)
    if not contents.entries:
        raise UserError(
            f"{path / SAMPLES} holds no answers yet; view a run when its first batch is done, or `watch` it"
        )
    return contents

"""`recursivemas ablate`: argv -> a grid of runs, or one that was run before -> a table and a plot."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recursivemas.cli.flags import PUSHING, Append, add_run_arguments
from recursivemas.errors import UserError
from recursivemas.output.screen import harmless
from recursivemas.report.ablation import read_results, write_results
from recursivemas.report.canvas import check_matplotlib
from recursivemas.report.compare import FORMATS
from recursivemas.runs.ablation import AXES, LOADED

EXAMPLES = {
    "mode": "latent,text,single",
    "links": "trained,zero,shuffle",
    "latent_length": "8,0,32",
    "num_recursive_rounds": "3,1,2",
}
NOT_A_CELLS = (*AXES, "resume", "result_jsonl", *PUSHING)
"""Settings of a run that a grid has several values of, or that make no sense for it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `recursivemas ablate`: those of a run, with lists for the axes of the grid."""
    parser.description = (
        "Run a system over a grid of links, latent lengths, rounds and modes, a run folder a cell, and hold "
        "every cell against the full system. The same command goes on where it was broken off. With DIR "
        "alone, show an ablation again."
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="an ablation to show again")
    grid = parser.add_argument_group("The grid: lists, the first value of each being the full system's")
    for name in AXES:
        grid.add_argument(
            f"--{name}",
            default=argparse.SUPPRESS,
            metavar="A,B,...",
            help=f"such as {EXAMPLES[name]} (default: what a run has)",
        )
    grid.add_argument(
        "--variant",
        action=Append,
        default=argparse.SUPPRESS,
        metavar="NAME:KEY=PATH",
        help="a set of links by a name of yours, KEY=PATH as for --ckpt_override (may be repeated, and again "
        f"for another KEY); {LOADED!r} by itself: the links that the other flags load (default: those alone)",
    )
    shown = parser.add_argument_group("What is shown")
    shown.add_argument("--full", metavar="CELL", help="the cell that the others are held against")
    shown.add_argument("--grader", metavar="NAME", help="count by this grader (default: release)")
    shown.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    shown.add_argument("--no_plots", action="store_true", help="no plot; needs no matplotlib")
    add_run_arguments(parser, without=NOT_A_CELLS)


def run(arguments: Mapping[str, Any]) -> None:
    """`recursivemas ablate`: run what is missing where flags of a run are given; then show what there is."""
    given = dict(arguments)
    folder, full, grader, layout, no_plots = (
        given.pop(name) for name in ("folder", "full", "grader", "format", "no_plots")
    )
    if folder is None:
        if not given.get("output_dir"):
            raise UserError(
                "an ablation needs a folder: give --output_dir FOLDER to run one, or the folder of one alone "
                "to show it again"
            )
        if not no_plots:
            check_matplotlib()
        from recursivemas.cli.grid import run_grid

        folder = Path(given["output_dir"])
        if not run_grid(folder, given, full=full, grader=grader):
            return
    elif given:
        raise UserError(
            f"{folder} alone shows an ablation again and runs nothing, and --{next(iter(given))} is a run's; "
            f"give --output_dir {folder} to run, or drop it"
        )
    results = read_results(folder, full=full, grader=grader)
    files = write_results(folder, results, with_plot=not no_plots)
    print(harmless(results.render(layout)))
    print("\n".join(["", *map(str, files)]), file=sys.stderr)

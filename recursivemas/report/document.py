"""Writes a report: every table and plot as files, and report.md that holds them together."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recursivemas.files.whole import naming_output
from recursivemas.output.tables import Table, TableFormat, to_csv
from recursivemas.report.canvas import Plot, check_matplotlib
from recursivemas.report.cost_plots import costs_by_rounds
from recursivemas.report.grouping import families
from recursivemas.report.layout import (
    choose_grader,
    table_by_rounds,
    table_by_style,
    table_of_runs,
    table_of_savings,
)
from recursivemas.report.plots import accuracy_by_latent_length, accuracy_by_rounds
from recursivemas.runs.files import read_config
from recursivemas.runs.read import Run, read_runs, record_of_run

logger = logging.getLogger(__name__)

RULE = (
    "Every finished run that was given is shown, and none was chosen for its score. Where several runs fall "
    "into one cell, all their values stand in it, divided by a slash. Intervals are 95%: Wilson's where a "
    "question is right or wrong as a whole, else the bootstrap over questions."
)
FORMATS: dict[str, TableFormat] = {"csv": "csv", "tex": "latex"}


def write_report(
    paths: Sequence[Path], folder: Path, *, grader: str | None = None, with_plots: bool = True
) -> list[Path]:
    """Read finished runs and write their report into the folder; returns the files, report.md first.

    `grader` is the one to count by: by default the release's, as the published figures do, where a run has
    it. Runs that have not finished are left out, with a warning; another one says when there was no plot to
    draw. Raises UserError for a run that cannot be read, or when none has finished, for a grader that a run
    does not have, when plots are wanted and matplotlib is missing, and where the folder cannot be written.
    """
    for path in paths:  # what is there is seen to before what is installed
        read_config(path)
    if with_plots:
        check_matplotlib()
    unfinished: list[str] = []
    runs = read_runs(paths, unfinished=unfinished)
    for reason in unfinished:
        logger.warning("left out: %s", reason)
    tables = {name: table for name, table in _tables(runs, grader).items() if table.rows}
    plots, missing = _plots(runs, grader) if with_plots else ([], [])
    if with_plots and not plots:
        logger.warning("no plot was drawn. %s", " ".join(line[0].upper() + line[1:] for line in missing))
    files = {"report.md": _document(runs, grader, list(tables.values()), plots, missing, unfinished)}
    for name, table in tables.items():
        files |= {f"{name}.{suffix}": table.render(layout) for suffix, layout in FORMATS.items()}
    files["figures.csv"] = to_csv(
        [record_of_run(run, choose_grader(run, grader), run.costs_a_question()) for run in runs]
    )
    with naming_output(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        return [*(folder / name for name in files), *(path for plot in plots for path in plot.save(folder))]


def _tables(runs: Sequence[Run], grader: str | None) -> dict[str, Table]:
    """The report's tables by file name."""
    return {
        "rounds": table_by_rounds(runs, grader),
        "styles": table_by_style(runs, grader),
        "savings": table_of_savings(runs),
        "runs": table_of_runs(runs, grader),
    }


def _plots(runs: Sequence[Run], grader: str | None) -> tuple[list[Plot], list[str]]:
    """The plots that there is data for, and a sentence on each reason why one is missing."""
    plots: list[Plot] = []
    missing: dict[str, list[str]] = {}
    for family in families(runs):
        for name, outcome in [
            ("accuracy by rounds", accuracy_by_rounds(family, grader)),
            ("costs by rounds", costs_by_rounds(family)),
            ("accuracy by latent length", accuracy_by_latent_length(family, grader)),
        ]:
            if isinstance(outcome, Plot):
                plots.append(outcome)
            else:
                missing.setdefault(f"{name} {outcome}", []).append(family.name)
    return plots, [f"{reason}: there are none for {', '.join(names)}." for reason, names in missing.items()]


def _document(
    runs: Sequence[Run],
    grader: str | None,
    tables: Sequence[Table],
    plots: Sequence[Plot],
    missing: Sequence[str],
    unfinished: Sequence[str],
) -> str:
    graders = sorted({choose_grader(run, grader) for run in runs})
    parts = [
        f"# {len(runs)} {'run' if len(runs) == 1 else 'runs'}",
        f"{RULE} Answers were graded by the {' or '.join(graders)} grader.",
        *_departures(runs),
        *_left_out(unfinished),
        "## Tables",
        *(table.render("markdown") for table in tables),
    ]
    if plots:
        parts += ["## Plots", *(f"![{plot.name}]({plot.name}.png)\n\n{plot.caption}" for plot in plots)]
    if missing:
        parts += ["## Plots left out", "\n".join(f"- {line[0].upper()}{line[1:]}" for line in missing)]
    return "\n\n".join(parts)


def _left_out(unfinished: Sequence[str]) -> list[str]:
    """A paragraph on the runs that were given and are not shown, if there are any."""
    return ["Left out:", "\n".join(f"- {reason}" for reason in unfinished)] if unfinished else []


def _departures(runs: Sequence[Run]) -> list[str]:
    """A paragraph on the runs that published figures are no measure of, if there are any."""
    lines = [f"- {run.label}: {', '.join(run.departures())}" for run in runs if run.departures()]
    if not lines:
        return []
    return [
        "Published figures come from the published agents and prompts and all questions of a benchmark. "
        "Beside these runs they only mark the place:",
        "\n".join(lines),
    ]


# ---------------------------------------------------------------------------------------------------------
# Command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `recursivemas report`."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="where to write it")
    parser.add_argument(
        "--grader", metavar="NAME", help="count by this grader (default: release where a run has it)"
    )
    parser.add_argument("--no_plots", action="store_true", help="tables only; needs no matplotlib")


def run(arguments: dict[str, Any]) -> None:
    """`recursivemas report RUN... -o DIR`: write the report and name its files."""
    for path in write_report(
        arguments["runs"],
        arguments["output"],
        grader=arguments["grader"],
        with_plots=not arguments["no_plots"],
    ):
        print(path)

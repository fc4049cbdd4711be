"""What an ablation shows: every cell of its grid held against the full system, as a table and a plot.

It is read from the folder alone, and can be drawn again at any time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError
from recursivemas.output.tables import NOTHING, Table, to_csv
from recursivemas.report.ablation_plot import plot_accuracy
from recursivemas.report.canvas import Plot, check_matplotlib
from recursivemas.report.compare import (
    TEST_NOTES,
    Comparison,
    ComparisonFormat,
    Entry,
    Pair,
    compare_runs,
    difference_cells,
)
from recursivemas.report.layout import choose_grader
from recursivemas.runs.ablation import CELLS, LOADED, Cell, Grid, read_grid
from recursivemas.runs.files import CONFIG
from recursivemas.runs.read import Run, UnfinishedRunError, all_tokens, read_run, with_interval

COLUMNS = {
    "mode": "mode",
    "variant": "variant",
    "links": "links",
    "latent_length": "latent length",
    "num_recursive_rounds": "rounds",
}
"""The axes of a grid, and how a table names them."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """The finished cells of an ablation, held against its full system, and the names of the `unfinished`."""

    grid: Grid
    comparison: Comparison
    grader: str
    """The one that the table and the plot count by."""
    unfinished: list[str]

    @property
    def runs(self) -> dict[str, Run]:
        """The finished cells' runs by name, the full system's first."""
        return {entry.run.label: entry.run for entry in self.comparison.entries}

    @property
    def cells(self) -> dict[str, Cell]:
        """The finished cells in the same order."""
        return {name: self.grid.cells[name] for name in self.runs}

    def render(self, layout: ComparisonFormat) -> str:
        """The table as text, Markdown or LaTeX; as CSV or JSON a record a cell and grader."""
        if layout == "json":
            return json.dumps(self.records(), indent=2, ensure_ascii=False)
        return to_csv(self.records()) if layout == "csv" else self.table().render(layout)

    def records(self) -> list[dict[str, Any]]:
        """A flat record a cell and grader, by all graders that the cells have; None for what is not read."""
        records = []
        for record in self.comparison.records():
            name = record.pop("run")
            cell = self.cells[name]
            axes = {"variant": cell.variant, "links": cell.links}
            records.append({"cell": name, "full_system": name == self.grid.full, **axes, **record})
        return records

    def table(self) -> Table:
        """A row a cell, the full system's first, the others in the grid's order; never by score."""
        full, columns = self.comparison.first.run, self.varying
        return Table(
            title=(
                f"{full.benchmark}, {len(self.comparison.shared)} questions, {self.grader} grader: "
                f"{full.metric} in percent, and points against the full system, {full.label} (first row)"
            ),
            header=[
                *(COLUMNS[axis] for axis in columns),
                f"{full.metric} [95% interval]",
                "points",
                "95% interval",
                "p",
                "tokens written",
                "tokens in all",
                "latent steps",
                "seconds",
            ],
            rows=[self._row(entry, columns) for entry in self.comparison.entries],
            notes=self._notes(),
        )

    @property
    def varying(self) -> list[str]:
        """The axes of which the finished cells have several values."""
        return [axis for axis in COLUMNS if len(self._values(axis)) > 1]

    def _values(self, axis: str) -> list[Any]:
        values = dict.fromkeys(getattr(cell, axis) for cell in self.cells.values())
        return [value for value in values if value is not None]

    def _row(self, entry: Entry, columns: Sequence[str]) -> list[str]:
        cell = self.cells[entry.run.label]
        axes = [getattr(cell, axis) for axis in columns]
        against = (
            difference_cells(entry.differences[self.grader])[2:] if isinstance(entry, Pair) else [NOTHING] * 3
        )
        return [
            *(NOTHING if value is None else str(value) for value in axes),
            with_interval(entry.run.score(self.grader)),
            *against,
            f"{entry.costs['generated_tokens']:.1f}",
            f"{all_tokens(entry.costs):.1f}",
            f"{entry.costs['latent_steps']:.1f}",
            f"{entry.costs['seconds']:.3f}",
        ]

    def _notes(self) -> list[str]:
        pairs, first = self.comparison.pairs, self.comparison.first.run
        tests = sorted({pair.differences[self.grader].test for pair in pairs})
        notes = [*(TEST_NOTES[test] for test in tests), "Each row is one comparison by itself."]
        notes += ["Tokens, latent steps and seconds are a question's, of all agents in all rounds."]
        alike = {axis: values[0] for axis in COLUMNS if len(values := self._values(axis)) == 1}
        if words := [f"{COLUMNS[axis]} {value}" for axis, value in alike.items() if value != LOADED]:
            notes.append(f"The same in all cells that read it: {', '.join(words)}.")
        if any(getattr(cell, axis) is None for cell in self.cells.values() for axis in self.varying):
            notes.append(f"{NOTHING}: not read there. Where no latents are passed on, links change nothing.")
        notes += [
            f"{run.num_errors} answers of {name} were not run; they count as wrong."
            for name, run in self.runs.items()
            if run.num_errors
        ]
        notes += [
            f"Seconds of {name} do not compare: {run.machine}, not {first.machine}."
            for name, run in self.runs.items()
            if run.machine != first.machine
        ]
        if self.unfinished:
            notes.append(f"Not finished, and left out: {', '.join(self.unfinished)}.")
        return notes


def read_results(folder: Path, *, full: str | None = None, grader: str | None = None) -> Results:
    """What the ablation in that folder has come to so far.

    `full` names the cell that the others are held against, by default the one that the ablation was run with;
    `grader` the one to count by, by default the release's. Raises UserError for a folder that holds no
    ablation, a cell or grader that there is not, and where the full system or all others have not finished.
    """
    grid = read_grid(folder)
    grid = replace(grid, full=full) if full else grid
    runs: dict[str, Run] = {}
    unfinished: list[str] = []
    for name in grid.cells:
        path = folder / CELLS / name
        try:
            if (path / CONFIG).exists():
                runs[name] = read_run(path)
            else:
                unfinished.append(name)
        except UnfinishedRunError:
            unfinished.append(name)
    if grid.full not in runs or len(runs) < 2:
        raise UserError(
            f"the ablation in {folder} has {len(runs)} of {len(grid.cells)} cells finished, and needs the "
            f"full system {grid.full} and another one; repeat the command that runs it to go on"
        )
    first = runs.pop(grid.full)
    comparison = compare_runs([first, *runs.values()])
    chosen = {choose_grader(run, grader) for run in (first, *runs.values())}
    return Results(grid=grid, comparison=comparison, grader=chosen.pop(), unfinished=unfinished)


def write_results(folder: Path, results: Results, *, with_plot: bool = True) -> list[Path]:
    """Write the table and the plot into the ablation's folder; returns the files, ablation.md first.

    Raises UserError when a plot is wanted and matplotlib is missing.
    """
    plots = []
    if with_plot:
        check_matplotlib()
        plots = [plot_accuracy(results.cells, results.runs, results.grader)]
    files = {
        "ablation.md": _document(results, plots),
        "table.tex": results.render("latex"),
        "figures.csv": results.render("csv"),
        "figures.json": results.render("json"),
    }
    for name, text in files.items():
        (folder / name).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    return [*(folder / name for name in files), *(path for plot in plots for path in plot.save(folder))]


def _document(results: Results, plots: Sequence[Plot]) -> str:
    run = results.comparison.first.run
    parts = [
        f"# Ablation: {run.style} on {run.benchmark}",
        "Every cell that has finished is shown, and none was chosen for its score. Each is a run folder in "
        f"`{CELLS}`, which `recursivemas show`, `compare` and `report` read.",
        results.render("markdown"),
        *(f"![{plot.name}]({plot.name}.png)\n\n{plot.caption}" for plot in plots),
    ]
    return "\n\n".join(parts)

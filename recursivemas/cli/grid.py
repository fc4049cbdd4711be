"""A grid of runs with one set of models: planned, checked, and run cell by cell."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recursivemas.cli.before_work import check_before_work, tell_backend
from recursivemas.cli.launch import read_finished
from recursivemas.cli.plan import print_plan
from recursivemas.errors import UserError
from recursivemas.question import Question
from recursivemas.release.resolve import resolve_release
from recursivemas.report import format_table
from recursivemas.runs.ablation import (
    AXES,
    CELLS,
    LOADED,
    Cell,
    Grid,
    check_goes_on,
    first_cell,
    write_grid,
)
from recursivemas.runs.evaluate import evaluate
from recursivemas.runs.files import CONFIG, read_config
from recursivemas.runs.lock import RunLock
from recursivemas.runs.prepare import PreparedRun, prepare
from recursivemas.runs.provenance import check_same_prompts
from recursivemas.runs.ranks import Rank, current_rank
from recursivemas.runs.sweep import PlannedRun
from recursivemas.runs.variants import check_same_models, load_variants
from recursivemas.settings import ModelSettings
from recursivemas.system import MASSystem


@dataclass(frozen=True, kw_only=True)
class PlannedGrid:
    """A grid, the runs of its cells by name, and the plain run: what the flags say that are no axes."""

    grid: Grid
    plain: PreparedRun
    runs: Mapping[str, PreparedRun]

    def variant_of(self, name: str) -> str:
        """The variant that a cell is run with: where it makes no difference, the first."""
        return self.grid.cells[name].variant or next(iter(self.grid.variants))


def run_grid(folder: Path, given: Mapping[str, Any], *, full: str | None, grader: str | None) -> bool:
    """Run the cells that have not finished; whether this process is the one to show what came of it.

    `given` are a run's settings, as text with commas those of AXES, and `variant`. With `dry_run` it prints
    what would run. Raises UserError for what cannot be done, the cheaper to find out the earlier.
    """
    rank = current_rank()
    given = dict(given)
    dry_run = given.pop("dry_run", False)
    planned = plan_grid(folder, given, full)
    _check(planned, folder, rank, grader)
    waiting = [name for name, run in planned.runs.items() if read_finished(_as_planned(run)) is None]
    if dry_run:
        _print_dry_run(planned, waiting)
        return False
    try:
        with ExitStack() as stack:
            if rank.is_first:
                num_done = len(planned.runs) - len(waiting)
                print(f"{len(planned.runs)} cells, {num_done} of them finished before", file=sys.stderr)
                stack.enter_context(RunLock(folder, Rank()))
                write_grid(folder, planned.grid)
            if waiting:
                _run_cells(planned, waiting, rank)
    except KeyboardInterrupt:
        print(f"finished samples are in {folder}; the same command goes on", file=sys.stderr)
        raise
    return rank.is_first


# ---------------------------------------------------------------------------------------------------------
# From flags to runs


def plan_grid(folder: Path, given: Mapping[str, Any], full: str | None) -> PlannedGrid:
    """The grid that flags ask for, and a run a cell. Raises UserError for what is none."""
    base = {name: value for name, value in given.items() if name not in (*AXES, "variant", "role")}
    plain = prepare(**base)
    axes: dict[str, Any] = {name: _read_axis(name, given, plain) for name in AXES}
    axes["variants"] = _read_variants(given.get("variant", (LOADED,)))
    grid = Grid(**axes, full=full or first_cell(axes))
    if "role" in given and "single" not in grid.mode:
        raise UserError(f"role {given['role']!r} is read in mode single only; give --mode latent,single")
    runs = {}
    for name, cell in grid.cells.items():
        where = {"output_dir": str(folder / CELLS / name), "resume": True}
        runs[name] = prepare(**{**base, **_settings_of(cell, grid, given, plain), **where})
    return PlannedGrid(grid=grid, plain=plain, runs=runs)


def _read_axis(name: str, given: Mapping[str, Any], plain: PreparedRun) -> tuple[Any, ...]:
    """The values of an axis; of one that is not given what the plain run has."""
    usual = plain.settings.values()[name]
    if name not in given:
        return (usual,)
    words = [word.strip() for word in given[name].split(",")]
    if not all(words):
        raise UserError(
            f"{name} is {given[name]!r}; it has to be values divided by commas, none of them empty"
        )
    if isinstance(usual, str):
        return tuple(words)
    wrong = next((word for word in words if not word.isdecimal()), None)
    if wrong is not None:
        raise UserError(
            f"{name} holds {wrong!r}; in a grid its values are whole numbers from 0 on, such as 8,16"
        )
    return tuple(map(int, words))


def _read_variants(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Overrides by the variants' names."""
    variants: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, colon, override = word.partition(":")
        if (name == LOADED) == bool(colon):
            raise UserError(
                f"variant {word!r} is not of the form NAME:ROLE=DIR or NAME:outer=DIR, nor {LOADED!r} by "
                "itself, which stands for the links that the other flags load"
            )
        variants[name] = (*variants.get(name, ()), *([override] if colon else []))
        try:
            ModelSettings(ckpt_override=variants[name]).overrides()
        except UserError as error:
            raise UserError(f"variant {name}: {error}") from error
    return variants


def _settings_of(cell: Cell, grid: Grid, given: Mapping[str, Any], plain: PreparedRun) -> dict[str, Any]:
    """What sets a cell apart from the plain run."""
    usual = plain.settings.values()
    values = {name: getattr(cell, name) for name in AXES}
    settings = {
        name: value
        for name, value in values.items()
        if value is not None and (name in given or value != usual[name])
    }
    if cell.mode == "single" and "role" in given:
        settings["role"] = given["role"]
    variant = cell.variant or next(iter(grid.variants))
    if grid.variants[variant]:
        overrides = _overrides(variant, grid, plain)
        settings["ckpt_override"] = tuple(f"{key}={path}" for key, path in overrides.items())
    return settings


def _overrides(variant: str, grid: Grid, plain: PreparedRun) -> dict[str, str]:
    """The folders that a variant's links come from: its own, else those that the plain run has."""
    own = ModelSettings(ckpt_override=grid.variants[variant]).overrides()
    return {**plain.settings.model.overrides(), **own}


# ---------------------------------------------------------------------------------------------------------
# Before work


def _check(planned: PlannedGrid, folder: Path, rank: Rank, grader: str | None) -> None:
    """What can be told before anything is fetched or written; raises UserError."""
    check_goes_on(folder, planned.grid)
    cells = [_as_planned(run) for run in planned.runs.values()]
    check_before_work(planned.plain, cells, rank, of_grid=True)
    tell_backend(planned.plain, rank)
    for run in planned.runs.values():
        run.benchmark.check_style(run.style)
    if grader is not None and grader not in (names := planned.plain.graders.names):
        raise UserError(f"no cell is graded by {grader!r}; the graders are {', '.join(names)}")


def _as_planned(run: PreparedRun) -> PlannedRun:
    return PlannedRun(settings=run.settings, origins=run.origins, folder=run.folder)


def _print_dry_run(planned: PlannedGrid, waiting: Sequence[str]) -> None:
    rows = [
        [
            name,
            planned.variant_of(name),
            "full system" if name == planned.grid.full else "",
            "to run" if name in waiting else "finished",
        ]
        for name in planned.runs
    ]
    print(format_table(["cell", "links of", "", ""], rows), end="\n\n")
    print(f"The full system's run, {planned.grid.full}:", end="\n\n")
    print_plan(planned.runs[planned.grid.full])


def _check_shuffle(planned: PlannedGrid, names: Sequence[str], questions: Sequence[Question]) -> None:
    """UserError where a question would be alone in its batch, and so fail and count as wrong."""
    for name in names:
        if planned.grid.cells[name].links != "shuffle":
            continue
        size = planned.runs[name].settings.solve.batch_size
        if isinstance(size, str):
            raise UserError(
                f"links shuffle swaps messages within a batch, and batch_size {size} has batches as the "
                "memory has room; give --batch_size N"
            )
        if len(questions) % size == 1 % size:
            raise UserError(
                f"links shuffle swaps messages within a batch, and of {len(questions)} questions in batches "
                f"of {size} one is alone; give another --batch_size or --num_samples"
            )


# ---------------------------------------------------------------------------------------------------------
# Work


def _run_cells(planned: PlannedGrid, names: Sequence[str], rank: Rank) -> None:
    """Run these cells one after another on models that are loaded once."""
    plain = planned.plain
    variants = {
        variant: _overrides(variant, planned.grid, plain)
        for variant in dict.fromkeys(map(planned.variant_of, names))
    }
    _check_variants(plain, variants)
    # Searches are kept together, so that one cell finds what another has found.
    toolboxes = {name: planned.runs[name].toolbox_in(plain.folder) for name in names}
    rank.use_own_gpu(plain.settings.model.device)
    with ExitStack() as stack:
        locks = {name: stack.enter_context(RunLock(planned.runs[name].folder, rank)) for name in names}
        _check_prompts(planned, names)
        questions = plain.questions
        _check_shuffle(planned, names, questions)
        systems = load_variants(
            plain.style,
            plain.benchmark,
            variants,
            prompts=plain.prompt_source,
            **{name: value for name, value in plain.settings.model.loading().items() if name != "overrides"},
        )
        for system in systems.values():
            stack.enter_context(system)
        for number, name in enumerate(names, start=1):
            if rank.is_first:
                print(f"cell {number} of {len(names)} to run: {name}", file=sys.stderr)
            run = planned.runs[name]
            system = _as_run(systems[planned.variant_of(name)], run)
            graders, toolbox = plain.graders, toolboxes[name]
            evaluate(system, questions, run.settings, run.origins, graders, toolbox, locks[name])


def _check_variants(plain: PreparedRun, variants: Mapping[str, Mapping[str, str]]) -> None:
    """UserError where a variant's files are not to be had, or hold a model of its own; none is downloaded."""
    where, task = plain.settings.model.where(), plain.benchmark.task
    files = {
        name: resolve_release(plain.style, task, **{**where, "overrides": overrides}, download_weights=False)
        for name, overrides in variants.items()
    }
    check_same_models(files)


def _check_prompts(planned: PlannedGrid, names: Sequence[str]) -> None:
    """UserError where an agent would lack a prompt, or has other ones than in a cell that was begun."""
    source = planned.plain.prompt_source
    for name in names:
        run = planned.runs[name]
        source.check(run.style, task=run.benchmark.task, mode=run.settings.solve.passes)
        if (run.folder / CONFIG).exists():
            check_same_prompts(read_config(run.folder), source.describe())


def _as_run(system: MASSystem, run: PreparedRun) -> MASSystem:
    """The system that a run has: in mode single, one agent of it."""
    return system.alone(run.settings.solve.role) if run.settings.solve.mode == "single" else system

"""What can be told of a run at once: the same for one that is to begin and for the dry run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from recursivemas.agents.backend import choose_backend
from recursivemas.agents.load import resolve_devices
from recursivemas.errors import UserError
from recursivemas.files.whole import check_writable
from recursivemas.runs.ablation import RECORD as ABLATION
from recursivemas.runs.evaluate import check_outputs
from recursivemas.runs.files import CONFIG, read_config
from recursivemas.runs.prepare import PreparedRun
from recursivemas.runs.provenance import check_same_settings
from recursivemas.runs.push import check_pushable
from recursivemas.runs.ranks import Rank
from recursivemas.runs.sweep import PlannedRun, check_kind
from recursivemas.runs.trackers import check_package
from recursivemas.settings import check_for_vllm


def check_before_work(
    prepared: PreparedRun, runs: Sequence[PlannedRun], rank: Rank, *, of_grid: bool = False
) -> None:
    """Raise UserError for the first of `checks_before_work` that fails.

    Nothing was read from a hub or written by then.
    """
    for check in checks_before_work(prepared, runs, rank, of_grid=of_grid):
        check()


def checks_before_work(
    prepared: PreparedRun, runs: Sequence[PlannedRun], rank: Rank, *, of_grid: bool = False
) -> Iterator[Callable[[], None]]:
    """Checks of the devices, the folders, settings that a resumed run had otherwise; each raises UserError.

    Those of what the first process alone writes are left out for the others. The runs `of_grid` stand in the
    folder of an ablation, where no other run may.
    """
    record, folder = prepared.settings.record, prepared.folder
    yield partial(_check_folder, prepared, rank)
    if not of_grid:
        yield partial(_check_no_ablation, folder)
    yield partial(_check_backend, prepared)
    yield partial(_check_overrides, prepared)
    yield partial(prepared.benchmark.check_style, prepared.style)
    if not rank.is_first:
        return
    yield partial(check_package, record.log_with)
    if record.push_to_hub:
        yield partial(check_pushable, record.push_to_hub)
    yield partial(check_writable, folder, "output_dir")
    yield partial(check_kind, prepared.settings, folder)
    for run in runs:
        yield partial(_check_run, run)


def tell_backend(prepared: PreparedRun, rank: Rank) -> None:
    """Say which backend `auto` has taken."""
    model = prepared.settings.model
    backend = choose_backend(resolve_devices(model.device, prepared.style), model.dtype, **model.computing())
    if rank.is_first and model.backend != backend.name:
        print(f"models are run by {backend.name}: {backend.why}", file=sys.stderr)


def _check_folder(prepared: PreparedRun, rank: Rank) -> None:
    if rank.count > 1 and not prepared.settings.record.output_dir:
        raise UserError("several processes need one run folder; give --output_dir FOLDER")


def _check_no_ablation(folder: Path) -> None:
    if (folder / ABLATION).exists():
        raise UserError(
            f"{folder} holds an ablation; give another --output_dir, or go on by `recursivemas ablate`"
        )


def _check_backend(prepared: PreparedRun) -> None:
    model = prepared.settings.model
    backend = choose_backend(resolve_devices(model.device, prepared.style), model.dtype, **model.computing())
    if backend.name == "vllm":  # which `auto` may have taken
        check_for_vllm(prepared.settings.solve)


def _check_overrides(prepared: PreparedRun) -> None:
    prepared.settings.model.overrides()


def _check_run(run: PlannedRun) -> None:
    check_outputs(run.settings.record, run.folder)
    if run.settings.record.resume and (run.folder / CONFIG).exists():
        check_same_settings(read_config(run.folder), run.settings)

"""From settings to a finished run: what is cheap to check first, then questions, then models."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from recursivemas.agents.backend import choose_backend
from recursivemas.agents.load import resolve_devices
from recursivemas.errors import UserError
from recursivemas.files.whole import check_writable
from recursivemas.report import format_example, format_summary, result_line
from recursivemas.runs.ablation import RECORD as ABLATION
from recursivemas.runs.evaluate import check_outputs, evaluate
from recursivemas.runs.files import CONFIG, SAMPLES, count_missing, iterate_samples, read_config, read_summary
from recursivemas.runs.lock import RunLock
from recursivemas.runs.prepare import PreparedRun
from recursivemas.runs.provenance import check_same_prompts, check_same_settings
from recursivemas.runs.push import check_pushable, push_run
from recursivemas.runs.ranks import Rank, current_rank
from recursivemas.runs.sweep import (
    PlannedRun,
    check_kind,
    close_sweep,
    format_sweep,
    open_sweep,
    plan_runs,
    sweep_result_line,
)
from recursivemas.runs.trackers import check_package
from recursivemas.settings import SWEEP, RecordSettings, check_for_vllm

Summary = Mapping[str, Any]


def launch(prepared: PreparedRun) -> None:
    """Run what was prepared, one run or a sweep, and print what came of it.

    A run that is finished already is only reported. Raises UserError for what cannot be done, the cheaper to
    find out the earlier.
    """
    rank, settings, folder = current_rank(), prepared.settings, prepared.folder
    if rank.count > 1 and not settings.record.output_dir:
        raise UserError("several processes need one run folder; give --output_dir FOLDER")
    if (folder / ABLATION).exists():
        raise UserError(
            f"{folder} holds an ablation; give another --output_dir, or go on by `recursivemas ablate`"
        )
    runs = plan_runs(settings, prepared.origins, folder)
    check_before_work(prepared, runs, rank)
    summaries = {run.settings.solve.latent_length: summary for run in runs if (summary := read_finished(run))}
    waiting = [run for run in runs if run.settings.solve.latent_length not in summaries]
    is_sweep = settings.solve.latent_length == SWEEP
    if waiting:
        if is_sweep and rank.is_first:
            open_sweep(folder)
        try:
            summaries |= _run_all(prepared, waiting, rank)
        except KeyboardInterrupt:
            print(
                f"finished samples are in {folder}; go on with --resume --output_dir {folder}",
                file=sys.stderr,
            )
            raise
    else:
        print(f"{folder} is finished: nothing was left to run", file=sys.stderr)
    if rank.is_first:
        _report(runs, summaries)
        if is_sweep:
            record = close_sweep(folder, summaries)
            print(format_sweep(record))
        print(sweep_result_line(record) if is_sweep else result_line(summaries[settings.solve.latent_length]))
        _push(runs, settings.record, folder)


def check_before_work(prepared: PreparedRun, runs: Sequence[PlannedRun], rank: Rank) -> None:
    """What can be told at once: the devices, the folders, settings that a resumed run had otherwise.

    Raises UserError; nothing was read from a hub or written by then.
    """
    model = prepared.settings.model
    devices = resolve_devices(model.device, prepared.style)
    backend = choose_backend(devices, model.dtype, **model.computing())
    if backend.name == "vllm":  # which `auto` may have taken
        check_for_vllm(prepared.settings.solve)
    model.overrides()
    prepared.benchmark.check_style(prepared.style)
    if not rank.is_first:
        return
    if model.backend != backend.name:
        print(f"models are run by {backend.name}: {backend.why}", file=sys.stderr)
    check_package(prepared.settings.record.log_with)
    if prepared.settings.record.push_to_hub:
        check_pushable(prepared.settings.record.push_to_hub)
    check_writable(prepared.folder, "output_dir")
    check_kind(prepared.settings, prepared.folder)
    for run in runs:
        check_outputs(run.settings.record, run.folder)
        if run.settings.record.resume and (run.folder / CONFIG).exists():
            check_same_settings(read_config(run.folder), run.settings)


def read_finished(run: PlannedRun) -> Summary | None:
    """The summary of a run that is to be resumed and has nothing left to do: all its answers are there."""
    if not run.settings.record.resume:
        return None
    try:
        summary = read_summary(run.folder)
        if summary is None or count_missing(run.folder) > 0:
            return None
    except UserError:  # damaged: it is written anew from the samples
        return None
    if run.settings.record.result_jsonl:
        shutil.copyfile(run.folder / SAMPLES, run.settings.record.result_jsonl)
    return summary


def _run_all(prepared: PreparedRun, runs: Sequence[PlannedRun], rank: Rank) -> dict[int, Summary]:
    """Run one after another with one system; returns summaries by latent length, none in other processes."""
    graders = prepared.graders
    toolboxes = [prepared.toolbox_in(run.folder) for run in runs]
    rank.use_own_gpu(prepared.settings.model.device)
    summaries: dict[int, Summary] = {}
    with ExitStack() as stack:
        locks = [stack.enter_context(RunLock(run.folder, rank)) for run in runs]
        prompts = prepared.prompts
        for run in runs:
            if run.settings.record.resume and (run.folder / CONFIG).exists():
                check_same_prompts(read_config(run.folder), prompts.describe())
        questions = prepared.questions
        system = stack.enter_context(prepared.load())
        for run, toolbox, lock in zip(runs, toolboxes, locks, strict=True):
            summary = evaluate(system, questions, run.settings, run.origins, graders, toolbox, lock)
            if summary is not None:  # in the other processes it is
                summaries[run.settings.solve.latent_length] = summary
    return summaries


def _push(runs: Sequence[PlannedRun], settings: RecordSettings, folder: Path) -> None:
    """Push each run's results where that was asked for; UserError, at the end, for what could not be."""
    if settings.push_to_hub is None:
        return
    how = {"samples": settings.push_samples, "public": settings.push_public}
    failures = []
    for run in runs:
        name = run.folder.resolve().relative_to(folder.resolve().parent).as_posix()
        try:
            address = push_run(run.folder, settings.push_to_hub, name=name, **how)
            print(f"pushed to {address}", file=sys.stderr)
        except UserError as error:
            flags = ["--public"] * settings.push_public + ["--no_samples"] * (not settings.push_samples)
            words = ["recursivemas", "push", str(run.folder), settings.push_to_hub, "--name", name, *flags]
            kept = f"Nothing is lost: the run is in {run.folder}. Push it later by {shlex.join(words)}"
            failures.append(f"{error}\n{kept}")
    if failures:
        raise UserError("\n".join(failures))


def _report(runs: Sequence[PlannedRun], summaries: Mapping[int, Summary]) -> None:
    """What came of each run: its costs, its folder."""
    for run in runs:
        print(format_summary(summaries[run.settings.solve.latent_length]))
        first, _ = next(iterate_samples(run.folder), (None, 0))
        if first:
            print(format_example(first, run.folder))
        print(f"run folder: {run.folder}")

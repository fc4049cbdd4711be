"""From settings to a finished run: what is cheap to check first, then questions, then models."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from recursivemas.cli.before_work import check_before_work, tell_backend
from recursivemas.errors import UserError
from recursivemas.report import format_example, format_summary, result_line
from recursivemas.runs.evaluate import evaluate
from recursivemas.runs.files import CONFIG, SAMPLES, count_missing, iterate_samples, read_config, read_summary
from recursivemas.runs.lock import RunLock
from recursivemas.runs.prepare import PreparedRun
from recursivemas.runs.provenance import check_same_prompts, check_same_questions
from recursivemas.runs.push import push_run
from recursivemas.runs.ranks import Rank, current_rank
from recursivemas.runs.sweep import (
    PlannedRun,
    close_sweep,
    format_sweep,
    open_sweep,
    plan_runs,
    sweep_result_line,
)
from recursivemas.settings import SWEEP, RecordSettings

Summary = Mapping[str, Any]


def launch(prepared: PreparedRun) -> None:
    """Run what was prepared, one run or a sweep, and print what came of it.

    A run that is finished already is only reported. Raises UserError for what cannot be done, the cheaper to
    find out the earlier.
    """
    rank, settings, folder = current_rank(), prepared.settings, prepared.folder
    runs = plan_runs(settings, prepared.origins, folder)
    check_before_work(prepared, runs, rank)
    tell_backend(prepared, rank)
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
        _check_questions(prepared, runs)
        print(f"{folder} is finished: nothing was left to run", file=sys.stderr)
    if rank.is_first:
        _report(runs, summaries)
        if is_sweep:
            record = close_sweep(folder, summaries)
            print(format_sweep(record))
        print(sweep_result_line(record) if is_sweep else result_line(summaries[settings.solve.latent_length]))
        _push(runs, settings.record, folder)


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


def _check_questions(prepared: PreparedRun, runs: Sequence[PlannedRun]) -> None:
    """UserError where the file of questions is not the one that finished runs had: they lack the new ones.

    Questions on the hub are not fetched to look at a result.
    """
    path = prepared.settings.questions.dataset_path
    if prepared.benchmark.rows is None and not (path and Path(path).is_file()):
        return
    for run in runs:
        check_same_questions(read_config(run.folder), prepared.questions, prepared.settings.questions)


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

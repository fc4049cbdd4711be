"""A run: a benchmark's questions through a system, graded and recorded."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import chain
from math import ceil
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recursivemas.errors import UserError
from recursivemas.output.progress import Progress, Silence, warnings_above_the_bar
from recursivemas.output.redaction import redact_data, redact_urls
from recursivemas.question import Question
from recursivemas.recursion.batches import Batches
from recursivemas.runs.files import CONFIG, SAMPLES, iterate_samples, read_config
from recursivemas.runs.folder import RunFolder, check_free
from recursivemas.runs.graders import RunGraders
from recursivemas.runs.lock import RunLock
from recursivemas.runs.majority import Majorities
from recursivemas.runs.metrics import summarise
from recursivemas.runs.provenance import check_same_run, check_same_tools, describe_run
from recursivemas.runs.record import Key, SampleRecord
from recursivemas.runs.shared import SHARDS, SharedFolder, gather_shards
from recursivemas.runs.trackers import RunTracker
from recursivemas.settings import Origin, RecordSettings, RunSettings, SolveSettings
from recursivemas.styles import Style
from recursivemas.system import MASSystem
from recursivemas.tools import Toolbox

logger = logging.getLogger(__name__)


def check_outputs(settings: RecordSettings, path: Path) -> None:
    """Raise UserError when the run's files would overwrite others, or the run to be resumed is damaged."""
    if settings.resume and (path / CONFIG).exists():
        read_config(path)
    else:
        check_free(path)
    if settings.result_jsonl:
        copy = Path(settings.result_jsonl)
        if copy.is_dir() or copy.resolve() == (path / SAMPLES).resolve():
            raise UserError(f"result_jsonl {copy} is a folder or the run's own file; give another file")
        if copy.exists() and not (settings.resume and _is_copy(copy, path / SAMPLES)):
            raise UserError(f"result_jsonl {copy} exists and would be overwritten; give another file")


def _is_copy(file: Path, samples: Path) -> bool:
    """Whether a file is what an earlier launch has copied of these samples, or empty; it may end anywhere."""
    with file.open("rb") as lines:
        first = lines.readline()
    if not first:
        return True
    if not samples.exists():
        return False
    with samples.open("rb") as lines:
        return any(line.startswith(first) for line in lines)


def evaluate(
    system: MASSystem,
    questions: Sequence[Question],
    settings: RunSettings,
    origins: Mapping[str, Origin],
    graders: RunGraders,
    toolbox: Toolbox | None,
    lock: RunLock,
) -> dict[str, Any] | None:
    """Run, grade and record in the locked folder; returns the summary, None in all processes but the first.

    Finished samples are in the folder whatever happens later; with `resume` the run goes on with those that
    are missing. Raises UserError when the folder holds a run that cannot be resumed with these settings.
    """
    order = [
        (question.id, rollout) for question in questions for rollout in range(settings.solve.num_rollouts)
    ]
    described = {
        **describe_run(system, questions, settings, origins),
        "graders": graders.describe(),
        "tools": toolbox.describe() if toolbox else None,
    }
    config = redact_data(described, urls=True)
    batches_of = partial(system.batches, settings.solve, toolbox, questions)
    solve = partial(_solve, system.graph, questions, settings.solve, graders)
    if not lock.rank.is_first:
        if lock.wait_until_open():
            _help(lock, config, lambda folder, chosen: solve(batches_of(**chosen), folder, show=False))
        return None
    batches = batches_of(**_chosen_before(lock, settings.record), num_processes=lock.rank.count)
    config |= {"batch_size": batches.size, "answer_window": batches.window // batches.size}
    with _open_folder(lock, order, settings, config) as folder:
        gather_shards(folder)
        with _tracked(lock, folder, settings.record) as tracker:
            facts = _solve_all(lock, folder, questions, batches, partial(solve, tracker=tracker))
        majorities = Majorities(questions, settings.solve.num_rollouts, graders.same)
        samples = (sample for sample, _ in iterate_samples(lock.path))
        summary = summarise(samples, system.benchmark, folder.seconds, config["tools"], majorities)
        summary |= batches.figures()
        summary["offload"] = system.offload.figures(
            {role: one.held_model for role, one in system.agents.items()}
        )
        folder.finish(summary, **facts)
    lock.finish()
    return summary


@contextmanager
def _tracked(lock: RunLock, folder: RunFolder, settings: RecordSettings) -> Iterator[RunTracker]:
    """What is told of the run as it goes; it begins with the samples that are there."""
    config = read_config(lock.path)
    begun = RunTracker(settings.log_with, lock.path, config, lambda: folder.seconds, resume=settings.resume)
    begun.update()
    try:
        yield begun
    finally:
        begun.update()
        begun.finish()


def _solve_all(
    lock: RunLock,
    folder: RunFolder,
    questions: Sequence[Question],
    batches: Batches,
    solve: Callable[..., None],
) -> dict[str, Any]:
    """Solve what is left, with the other processes if there are any; returns facts about this launch."""
    facts = {}
    if lock.rank.count > 1:
        _check_shares(lock.rank.count, ceil(len(questions) / batches.window))
        facts["samples"] = _lead(lock, folder, partial(solve, batches))
    else:
        solve(batches, folder, show=True)
        folder.put_in_order()
    return facts


def _check_shares(num_processes: int, num_windows: int) -> None:
    if num_windows < num_processes:
        logger.warning(
            "%d processes share %d %s of questions, so some of them have nothing to do; with a lower "
            "--answer_window there are more windows",
            *(num_processes, num_windows, "window" if num_windows == 1 else "windows"),
        )


def _lead(lock: RunLock, folder: RunFolder, solve: Callable[..., None]) -> list[int]:
    """The first process's part in a shared run; returns how many samples each process has finished."""
    rank = lock.rank
    print(f"{rank.count} processes share this run", file=sys.stderr)
    (lock.path / SHARDS).mkdir(exist_ok=True)
    for index in lock.let_others_in():
        logger.warning("process %d of %d has not come yet; it can join until the end", index, rank.count)
    with SharedFolder(lock.path, rank, folder) as shared:
        solve(shared, show=True)
        done = shared.join()
    for index in (index for index, number in enumerate(done) if number == 0):
        logger.warning("process %d of %d finished no batch", index, rank.count)
    return done


def _help(lock: RunLock, config: Mapping[str, Any], solve: Callable[..., None]) -> None:
    """Another process's part in a shared run: `solve` takes its folder and what the first one has chosen.

    Raises UserError where it would not repeat the first's.
    """
    record = read_config(lock.path)
    check_same_tools(record, config["tools"])
    check_same_run(record, config)
    with SharedFolder(lock.path, lock.rank) as shared:
        solve(shared, _chosen(record))


def _chosen_before(lock: RunLock, settings: RecordSettings) -> dict[str, int | None]:
    """What a run that is resumed has chosen for itself: its questions keep their neighbours."""
    if settings.resume and (lock.path / CONFIG).exists():
        return _chosen(read_config(lock.path))
    return {}


def _chosen(record: Mapping[str, Any]) -> dict[str, int | None]:
    return {"size": record.get("batch_size"), "answer_window": record.get("answer_window")}


def _solve(
    style: Style,
    questions: Sequence[Question],
    settings: SolveSettings,
    graders: RunGraders,
    batches: Batches,
    folder: RunFolder | SharedFolder,
    *,
    show: bool,
    tracker: RunTracker | None = None,
) -> None:
    """Solve and grade the windows that the folder asks for, whole, so that each has the same neighbours.

    What is finished of a window is kept part by part.
    """
    rollouts, size, total = range(settings.num_rollouts), batches.window, len(questions)
    whole = [questions[start : start + size] for start in range(0, total, size)]
    keys = [[(question.id, rollout) for question in window for rollout in rollouts] for window in whole]
    with warnings_above_the_bar(), _progress(style, settings, total, folder, show) as progress:

        def begin(num_questions: int) -> None:
            num_done = folder.num_done // len(rollouts)
            num_batches = ceil(num_questions / batches.size)
            progress.window(num_done, min(num_questions, total - num_done), num_batches)
            if batches.halvings:
                folder.note(out_of_memory=[asdict(halving) for halving in batches.halvings])

        for index in folder.pending(keys):
            for finished in batches.solve(whole[index], progress, begin):
                solutions = list(chain.from_iterable(finished.values()))
                samples = [
                    SampleRecord.of(solution, verdicts, settings.answer_seed)
                    for solution, verdicts in zip(solutions, graders.grade(solutions), strict=True)
                ]
                folder.put(
                    samples,
                    latents={one.question.id: one.messages for one in solutions if one.messages},
                    lenses={one.question.id: one.lenses for one in solutions if one.lenses},
                )
                if tracker:
                    tracker.update()
                for solution in solutions:
                    if solution.error:
                        tqdm.write(f"error: {redact_urls(solution.error)}", file=sys.stderr)
                progress.done(folder.num_done // len(rollouts))
        progress.finish(folder.num_done // len(rollouts))


def _progress(
    style: Style, settings: SolveSettings, total: int, folder: RunFolder | SharedFolder, show: bool
) -> Progress | Silence:
    """The bar of a run with that many questions, some of which may be done."""
    if not show:
        return Silence()
    turns = style.turns(settings.num_rounds)
    num_tokens = settings.max_new_tokens * settings.num_rollouts
    return Progress(turns, num_tokens, total, folder.num_done // settings.num_rollouts)


def _open_folder(
    lock: RunLock, order: Sequence[Key], settings: RunSettings, config: Mapping[str, Any]
) -> RunFolder:
    path, num_processes = lock.path, lock.rank.count
    copy_to = Path(settings.record.result_jsonl) if settings.record.result_jsonl else None
    if not (settings.record.resume and (path / CONFIG).exists()):
        return RunFolder.create(path, config, order, copy_to, num_processes)
    check_same_run(read_config(path), config)
    return RunFolder.resume(path, order, copy_to, num_processes)

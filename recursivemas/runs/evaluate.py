"""A run: a benchmark's questions through a system, graded and recorded."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recursivemas.benchmarks import find_benchmark, load_questions
from recursivemas.errors import UserError
from recursivemas.output.progress import Progress, Silence, warnings_above_the_bar
from recursivemas.output.redaction import redact_data, redact_urls
from recursivemas.prompts import PromptSource, load_prompts
from recursivemas.question import Question
from recursivemas.recursion.solve import Solver
from recursivemas.runs.files import CONFIG, SAMPLES, iterate_samples, read_config
from recursivemas.runs.folder import RunFolder, check_free
from recursivemas.runs.graders import RunGraders
from recursivemas.runs.lock import RunLock
from recursivemas.runs.metrics import summarise
from recursivemas.runs.provenance import check_same_run, check_same_tools, describe_run
from recursivemas.runs.record import Key, SampleRecord
from recursivemas.runs.shared import SHARDS, SharedFolder, gather_shards
from recursivemas.settings import Origin, RunSettings
from recursivemas.styles import Style, alone, load_style
from recursivemas.system import MASSystem, load_mas_system
from recursivemas.tools import Toolbox

logger = logging.getLogger(__name__)


def read_questions(settings: RunSettings) -> list[Question]:
    """The questions that the settings ask for; raises what `load_questions` raises."""
    return load_questions(
        find_benchmark(settings.dataset),
        path=settings.dataset_path,
        split=settings.dataset_split,
        seed=settings.seed,
        num_samples=None if settings.num_samples == -1 else settings.num_samples,
        question_seed=settings.question_seed,
    )


def choose_style(settings: RunSettings) -> Style:
    """The style that the settings ask for: in mode single, one agent of it."""
    style = load_style(settings.style)
    return alone(style, settings.role) if settings.mode == "single" else style


def load_system(settings: RunSettings, prompts: PromptSource) -> MASSystem:
    """The system that the settings ask for; its agents are shown those prompts."""
    return load_mas_system(
        choose_style(settings),
        settings.dataset,
        device=settings.device,
        dtype=settings.dtype,
        outer_dtype=settings.outer_dtype,
        trust_remote_code=settings.trust_remote_code,
        release=settings.release,
        overrides=settings.overrides(),
        revision=settings.revision,
        prompts=prompts,
    )


def choose_prompts(settings: RunSettings) -> PromptSource:
    """The prompts that the settings ask for, held against the style; raises what their source raises."""
    style = choose_style(settings)
    prompts = load_prompts(settings.prompts, release=settings.release, style_prompts=style.prompts)
    task = find_benchmark(settings.dataset).task
    prompts.check(style, task=task, mode=settings.solve_settings().mode)
    return prompts


def run_folder_path(settings: RunSettings) -> Path:
    """Where the run is kept: `output_dir`, else runs/STYLE-DATASET-TIME."""
    if settings.output_dir:
        return Path(settings.output_dir)
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    mode = "" if settings.mode == "latent" else f"-{settings.mode}"
    dataset = find_benchmark(settings.dataset).name
    return Path("runs") / f"{load_style(settings.style).name}{mode}-{dataset}-{now}"


def check_outputs(settings: RunSettings, path: Path) -> None:
    """Raise UserError when the run's files would overwrite others, or the run to be resumed is damaged."""
    if settings.resume and (path / CONFIG).exists():
        read_config(path)
    else:
        check_free(path)
    if settings.result_jsonl:
        copy = Path(settings.result_jsonl)
        if copy.is_dir() or copy.resolve() == (path / SAMPLES).resolve():
            raise UserError(f"result_jsonl {copy} is a folder or the run's own file; give another file")
        if copy.exists() and not settings.resume:
            raise UserError(f"result_jsonl {copy} exists and would be overwritten; give another file")


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

    Finished samples are in the folder whatever happens later; with `settings.resume` the run goes on with
    those that are missing. Raises UserError when the folder holds a run that cannot be resumed with these
    settings.
    """
    batches = [
        questions[start : start + settings.batch_size]
        for start in range(0, len(questions), settings.batch_size)
    ]
    order = [(question.id, rollout) for question in questions for rollout in range(settings.num_rollouts)]
    described = {
        **describe_run(system, questions, settings, origins),
        "graders": graders.describe(),
        "tools": toolbox.describe() if toolbox else None,
    }
    config = redact_data(described, urls=True)
    solver = system.solver(settings.solve_settings(), toolbox)
    solve = partial(_solve, solver, batches, settings, graders)
    if not lock.rank.is_first:
        if lock.wait_until_open():
            _help(lock, config, solve)
        return None
    with _open_folder(lock, order, settings, config) as folder:
        gather_shards(folder)
        facts = {}
        if lock.rank.count > 1:
            facts["samples"] = _lead(lock, folder, solve)
        else:
            solve(folder, show=True)
            folder.put_in_order()
        samples = (sample for sample, _ in iterate_samples(lock.path))
        summary = summarise(samples, find_benchmark(settings.dataset), folder.seconds, config["tools"])
        folder.finish(summary, **facts)
    lock.finish()
    return summary


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
    """Another process's part in a shared run. Raises UserError where it would not repeat the first's."""
    record = read_config(lock.path)
    check_same_tools(record, config["tools"])
    check_same_run(record, config)
    with SharedFolder(lock.path, lock.rank) as shared:
        solve(shared, show=False)


def _solve(
    solver: Solver,
    batches: Sequence[Sequence[Question]],
    settings: RunSettings,
    graders: RunGraders,
    folder: RunFolder | SharedFolder,
    *,
    show: bool,
) -> None:
    """Solve and grade the batches that the folder asks for, whole, so that each has the same neighbours."""
    rollouts = range(settings.num_rollouts)
    keys = [[(question.id, rollout) for question in batch for rollout in rollouts] for batch in batches]
    total = sum(map(len, batches))
    with warnings_above_the_bar(), _progress(settings, total, folder, show) as progress:
        for index in folder.pending(keys):
            num_done = folder.num_done // len(rollouts)
            progress.batch(num_done, min(len(batches[index]), total - num_done))
            solutions = solver.solve(batches[index], progress)
            samples = [
                SampleRecord.of(solution, verdicts, settings.solve_settings().sample_seed)
                for solution, verdicts in zip(solutions, graders.grade(solutions), strict=True)
            ]
            folder.put(samples, {one.question.id: one.messages for one in solutions if one.messages})
            for solution in solutions:
                if solution.error:
                    tqdm.write(f"error: {redact_urls(solution.error)}", file=sys.stderr)
        progress.finish(folder.num_done // len(rollouts))


def _progress(
    settings: RunSettings, total: int, folder: RunFolder | SharedFolder, show: bool
) -> Progress | Silence:
    """The bar of a run with that many questions, some of which may be done."""
    if not show:
        return Silence()
    solving = settings.solve_settings()
    turns = choose_style(settings).turns(solving.num_recursive_rounds)
    num_tokens = solving.max_new_tokens * solving.num_rollouts
    return Progress(turns, num_tokens, total, folder.num_done // settings.num_rollouts)


def _open_folder(
    lock: RunLock, order: Sequence[Key], settings: RunSettings, config: Mapping[str, Any]
) -> RunFolder:
    path, num_processes = lock.path, lock.rank.count
    copy_to = Path(settings.result_jsonl) if settings.result_jsonl else None
    if not (settings.resume and (path / CONFIG).exists()):
        return RunFolder.create(path, config, order, copy_to, num_processes)
    check_same_run(read_config(path), config)
    return RunFolder.resume(path, order, copy_to, num_processes)

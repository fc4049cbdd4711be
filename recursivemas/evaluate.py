"""A run: a benchmark's questions through a system, graded and recorded."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from recursivemas.benchmarks import find_benchmark, load_questions
from recursivemas.errors import UserError
from recursivemas.grading import Grade
from recursivemas.metrics import summarise
from recursivemas.provenance import check_same_run, check_same_tools, describe_run
from recursivemas.question import Question
from recursivemas.records import (
    CONFIG,
    SAMPLES,
    Batch,
    RunFolder,
    check_free,
    complete_batches,
    read_config,
)
from recursivemas.settings import Origin, RunSettings
from recursivemas.sharding import SHARDS, Rank, SharedFolder, prepare_shards
from recursivemas.solving import Solution
from recursivemas.styles import Style, alone, load_style
from recursivemas.system import MASSystem, load_mas_system
from recursivemas.tools import Toolbox
from recursivemas.verdicts import RunGraders

BAR_STEPS = 16
"""How many tokens pass between two looks of the progress bar at the text."""


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


def load_system(settings: RunSettings) -> MASSystem:
    """The system that the settings ask for."""
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
        prompts=settings.prompts,
    )


def run_folder_path(settings: RunSettings) -> Path:
    """Where the run is kept: `output_dir`, else runs/STYLE-DATASET-TIME."""
    if settings.output_dir:
        return Path(settings.output_dir)
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    mode = "" if settings.mode == "latent" else f"-{settings.mode}"
    dataset = find_benchmark(settings.dataset).name
    return Path("runs") / f"{load_style(settings.style).name}{mode}-{dataset}-{now}"


def check_outputs(settings: RunSettings, path: Path) -> None:
    """Raise UserError when the run's files would overwrite others."""
    if not settings.resume:
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
    path: Path,
    rank: Rank,
) -> dict[str, Any] | None:
    """Run, grade and record in the folder `path`; returns the summary, None in all processes but the first.

    Finished batches are in the folder whatever happens later; with `settings.resume` the run goes on after
    them. Raises UserError when the folder holds a run that cannot be resumed with these settings.
    """
    start = time.perf_counter()
    batches = [
        questions[start : start + settings.batch_size]
        for start in range(0, len(questions), settings.batch_size)
    ]
    if not rank.is_first:
        rank.wait_for_all()
        check_same_tools(read_config(path), toolbox.describe() if toolbox else None)
        first_batch = len(complete_batches(path, _expected(batches, settings)))
        with SharedFolder(path, rank, first_batch) as shared:
            _solve(system, batches, settings, graders, toolbox, shared, show=False)
        return None
    config = {
        **describe_run(system, questions, settings, origins),
        "graders": graders.describe(),
        "tools": toolbox.describe() if toolbox else None,
    }
    with _open_folder(path, batches, settings, config) as folder:
        if rank.count > 1 or (path / SHARDS).exists():
            prepare_shards(path, folder.num_batches)
            rank.wait_for_all()
            with SharedFolder(path, rank, folder.num_batches) as shared:
                _solve(system, batches, settings, graders, toolbox, shared, show=True)
            shared.join(folder)
        else:
            _solve(system, batches, settings, graders, toolbox, folder, show=True)
        seconds = time.perf_counter() - start
        summary = summarise(folder.samples, find_benchmark(settings.dataset), seconds, config["tools"])
        folder.finish(summary)
    return summary


def _solve(
    system: MASSystem,
    batches: Sequence[Sequence[Question]],
    settings: RunSettings,
    graders: RunGraders,
    toolbox: Toolbox | None,
    folder: RunFolder | SharedFolder,
    *,
    show: bool,
) -> None:
    """Solve and grade the batches that the folder asks for."""
    total = sum(map(len, batches))
    with (
        logging_redirect_tqdm([logging.getLogger("recursivemas")]),  # warnings stand above the bar
        tqdm(total=total, unit="question", file=sys.stderr, dynamic_ncols=True, disable=not show) as bar,
    ):
        watcher = _BarWatcher(bar, settings.num_recursive_rounds)
        for index in folder.pending(len(batches)):
            bar.update(sum(map(len, batches[: folder.num_batches])) - bar.n)
            for solutions in system.solve_batches(
                batches[index], settings.solve_settings(), watcher, toolbox
            ):
                samples = [
                    to_sample(solution, verdicts, settings.solve_settings().sample_seed)
                    for solution, verdicts in zip(solutions, graders.grade(solutions), strict=True)
                ]
                folder.put(index, samples, _name_latents(solutions))
                for solution in solutions:
                    if solution.error:
                        tqdm.write(f"error: {solution.error}", file=sys.stderr)
        bar.update(total - bar.n)


def _open_folder(
    path: Path,
    batches: Sequence[Sequence[Question]],
    settings: RunSettings,
    config: Mapping[str, Any],
) -> RunFolder:
    copy_to = Path(settings.result_jsonl) if settings.result_jsonl else None
    if not (settings.resume and (path / CONFIG).exists()):
        return RunFolder.create(path, config, copy_to)
    check_same_run(read_config(path), config)
    return RunFolder.resume(path, _expected(batches, settings), copy_to)


def _expected(batches: Sequence[Sequence[Question]], settings: RunSettings) -> list[Batch]:
    """The samples that each batch will write."""
    return [
        [(question.id, rollout) for question in batch for rollout in range(settings.num_rollouts)]
        for batch in batches
    ]


class _BarWatcher:
    """Shows round, agent and tokens written behind the progress bar."""

    def __init__(self, bar: tqdm[Any], num_rounds: int) -> None:
        self._bar = bar
        self._num_rounds = num_rounds
        self._where = ""
        self._num_steps = 0

    def turn(self, round_number: int, role: str) -> None:
        self._where = f"round {round_number}/{self._num_rounds}, {role}"
        self._num_steps = 0
        self._bar.set_postfix_str(self._where)

    def token(self, num_running: int) -> None:
        self._num_steps += 1
        running = "1 question goes on" if num_running == 1 else f"{num_running} questions go on"
        text = f"{self._where} writes token {self._num_steps}, {running}"
        self._bar.set_postfix_str(text, refresh=self._num_steps % BAR_STEPS == 0)


def to_sample(solution: Solution, verdicts: Mapping[str, Grade], sample_seed: int) -> dict[str, Any]:
    """A solution and its verdicts as a line in `samples.jsonl`."""
    question = solution.question
    return {
        "id": question.id,
        "rollout": solution.rollout,
        "seed": sample_seed + solution.rollout,
        "question": question.text,
        "gold": question.gold,
        "text": solution.text,
        "extracted": next(iter(verdicts.values())).answer,
        "verdicts": {name: asdict(verdict) for name, verdict in verdicts.items()},
        "ended_by": solution.ended_by,
        "retried": solution.retried,
        "past_context": solution.past_context,
        "error": solution.error,
        "token_ids": list(solution.token_ids),
        "tool_calls": [asdict(call) for call in solution.tool_calls],
        "messages": {name: asdict(size) for name, size in solution.message_sizes.items()},
        "passages": {name: asdict(passage) for name, passage in solution.passages.items()},
        "usage": [asdict(usage) for usage in solution.usage],
    }


def _name_latents(solutions: Sequence[Solution]) -> dict[str, torch.Tensor]:
    return {
        f"{solution.question.id}/{name}": message
        for solution in solutions
        for name, message in solution.messages.items()
    }

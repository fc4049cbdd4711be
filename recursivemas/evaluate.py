"""A run: a benchmark's questions through a system, graded and recorded."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from recursivemas.benchmarks import Benchmark, find_benchmark, load_questions
from recursivemas.engine import SamplingSettings
from recursivemas.grading import Grade, grade
from recursivemas.metrics import summarise
from recursivemas.question import Question
from recursivemas.records import RunFolder
from recursivemas.settings import Origin, RunSettings
from recursivemas.solving import Solution
from recursivemas.system import MASSystem, load_mas_system

VERSIONED = ("recursivemas", "torch", "transformers", "tokenizers", "huggingface_hub", "datasets")
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
        sample_seed=settings.sample_seed,
    )


def load_system(settings: RunSettings) -> MASSystem:
    """The system that the settings ask for."""
    return load_mas_system(
        settings.style,
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


def evaluate(
    system: MASSystem,
    questions: Sequence[Question],
    settings: RunSettings,
    origins: Mapping[str, Origin],
) -> tuple[Path, dict[str, Any]]:
    """Run, grade and record; returns the run folder and its summary.

    Finished batches are in the folder whatever happens later. Raises UserError when the folder holds a run.
    """
    benchmark = find_benchmark(settings.dataset)
    path = Path(settings.output_dir or _default_folder(settings, system))
    copy_to = Path(settings.result_jsonl) if settings.result_jsonl else None
    samples: list[dict[str, Any]] = []
    start = time.perf_counter()
    with (
        RunFolder(path, describe_run(system, settings, origins), copy_to) as folder,
        tqdm(total=len(questions), unit="question", file=sys.stderr, dynamic_ncols=True) as bar,
    ):
        watcher = _BarWatcher(bar, settings.num_recursive_rounds)
        for solutions in system.solve_batches(questions, settings.solve_settings(), watcher):
            graded = [to_sample(solution, benchmark, settings.seed) for solution in solutions]
            folder.append(graded, _name_latents(solutions))
            for solution in solutions:
                if solution.error:
                    bar.write(f"error: {solution.error}", file=sys.stderr)
            samples += graded
            bar.update(len({solution.question.id for solution in solutions}))
        summary = summarise(samples, benchmark, time.perf_counter() - start)
        folder.finish(summary)
    return path, summary


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
        text = f"{self._where} writes token {self._num_steps}, {num_running} questions go on"
        self._bar.set_postfix_str(text, refresh=self._num_steps % BAR_STEPS == 0)


def to_sample(solution: Solution, benchmark: Benchmark, seed: int) -> dict[str, Any]:
    """A solution as its line in `samples.jsonl`. A question that could not be run counts as wrong."""
    question = solution.question
    failed = Grade(correct=False, extracted=None, how="not run")
    verdicts = (
        dict.fromkeys(benchmark.graders, failed)
        if solution.error
        else grade(solution.text, question, benchmark.graders)
    )
    return {
        "id": question.id,
        "rollout": solution.rollout,
        "seed": seed + solution.rollout,
        "question": question.text,
        "gold": question.gold,
        "text": solution.text,
        "extracted": verdicts[benchmark.graders[0]].extracted,
        "verdicts": {name: asdict(verdict) for name, verdict in verdicts.items()},
        "ended_by": solution.ended_by,
        "retried": solution.retried,
        "error": solution.error,
        "token_ids": list(solution.token_ids),
        "usage": [asdict(usage) for usage in solution.usage],
    }


def _name_latents(solutions: Sequence[Solution]) -> dict[str, torch.Tensor]:
    return {
        f"{solution.question.id}/{name}": message
        for solution in solutions
        for name, message in solution.messages.items()
    }


def _default_folder(settings: RunSettings, system: MASSystem) -> Path:
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{system.style.name}-{settings.dataset}-{now}"


def describe_run(system: MASSystem, settings: RunSettings, origins: Mapping[str, Origin]) -> dict[str, Any]:
    """What ran, for `config.json`: settings with origins, and everything else that decides the result."""
    return {
        "settings": {
            name: {"value": value, "origin": origins[name]} for name, value in asdict(settings).items()
        },
        "style": asdict(system.style),
        "agents": {
            role: {
                "repo_id": agent.repo_id,
                "revision": agent.revision,
                "device": str(agent.device),
                "dtype": str(agent.backbone.dtype),
                "inner_link_dtype": str(agent.inner_link.dtype),
                "hidden_size": agent.hidden_size,
            }
            for role, agent in system.agents.items()
        },
        "outer_links": {
            f"{source}->{target}": {"dtype": str(link.dtype), "variant": link.variant}
            for (source, target), link in system.outer_links.items()
        },
        "sampling": asdict(_sampling(system, settings)),
        "release": system.paths.source,
        "prompt_pack": {"name": system.pack.name, "sha256": system.pack.sha256},
        "dataset_sha256": _hash_of(settings.dataset_path),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in VERSIONED},
        },
        "platform": platform.platform(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "git_revision": _git_revision(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _sampling(system: MASSystem, settings: RunSettings) -> SamplingSettings:
    """How the answer is sampled, the model's own defaults filled in."""
    answerer = system.agents[system.style.answering_role]
    return settings.solve_settings().sampling.resolve(answerer.model.generation_config)


def _hash_of(path: str | None) -> str | None:
    return None if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _git_revision() -> str | None:
    """The commit of the code that runs, `-dirty` when it was changed since; None outside a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None

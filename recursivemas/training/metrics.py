"""What is told of a training's steps, and to whom."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from recursivemas.errors import UserError
from recursivemas.runs.trackers import Tracker, check_package, start_tracker
from recursivemas.training.loop import StepRecord
from recursivemas.training.processes import check_once
from recursivemas.training.settings import LearningSettings


def check_tracker(settings: LearningSettings, folder: Path | None) -> None:
    """Raise UserError for a tracker that is not installed, or has no folder to write in."""
    name = settings.log_with
    if name and folder is None:
        raise UserError(
            f"log_with {name} writes beside the links, or names its run like them; give a save_dir"
        )
    check_package(name)


def make_accelerator(settings: LearningSettings, folder: Path | None) -> Accelerator:
    """The devices and processes. Raises UserError as `check_tracker` does."""
    check_tracker(settings, folder)
    # What an earlier training of this process has chosen would hold for this one, or be an error.
    AcceleratorState._reset_state()
    return Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=settings.mixed_precision)


@contextmanager
def tracked(settings: LearningSettings, folder: Path | None) -> Iterator[Tracker | None]:
    """A run in the tracker of `log_with`, if there is one, as long as the context lasts; the first process's.

    It is named like the folder and has the settings as its configuration. A training that is resumed goes on
    with its run in trackio, and has another one in wandb. Raises UserError where the tracker cannot begin.
    """
    begun: list[Tracker] = []
    if settings.log_with and folder:
        check_once(lambda: begun.append(_start(str(settings.log_with), settings, folder)))
    try:
        yield begun[0] if begun else None
    finally:
        for tracker in begun:
            tracker.finish()


def _start(name: str, settings: LearningSettings, folder: Path) -> Tracker:
    try:
        return start_tracker(name, folder, json.loads(json.dumps(asdict(settings))))
    except Exception as error:  # a tracker's own kinds of errors: no network, no account, no room
        raise UserError(
            f"log_with {name} cannot begin ({str(error).strip().rstrip('.')}). Set it up, have "
            "it keep to this machine (WANDB_MODE=offline for wandb), or drop it: metrics.jsonl has the same"
        ) from error


def metrics_line(record: StepRecord) -> dict[str, Any]:
    """A step as a line of metrics; norms are of gradients, by link and by link and round."""
    return {
        "step": record.step,
        "loss": record.loss,
        **record.parts,
        "learning_rate": record.learning_rate,
        "gradient_norm": record.gradient_norm,
        **{f"gradient_norm/{name}": norm for name, norm in record.norms.items()},
        "tokens_per_second": record.tokens / record.seconds,
        "peak_memory_bytes": peak_memory(),
    }


def peak_memory() -> int:
    """The most that this process has held: on the accelerator where there is one, else in all."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

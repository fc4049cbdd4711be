"""What is told of a training's steps, and to whom."""

from __future__ import annotations

import resource
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from recursivemas.errors import UserError
from recursivemas.training.loop import StepRecord
from recursivemas.training.settings import LearningSettings

PROJECT = "recursivemas"


def make_accelerator(settings: LearningSettings, folder: Path | None) -> Accelerator:
    """The devices, processes and trackers. Raises UserError for a tracker that is not installed."""
    if settings.log_with and folder is None:
        raise UserError(f"log_with {settings.log_with} writes beside the links; give a save_dir")
    if settings.log_with and find_spec(settings.log_with) is None:
        raise UserError(f"log_with {settings.log_with} needs its package: pip install {settings.log_with}")
    return Accelerator(
        cpu=not torch.cuda.is_available(),
        mixed_precision=settings.mixed_precision,
        log_with=settings.log_with,
        project_dir=folder,
    )


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

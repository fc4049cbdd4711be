"""Trackers of experiments, TensorBoard, trackio and wandb, and what a run tells one of them as it goes.

Trainings tell theirs through the same door. Each package is imported where a tracker of it begins.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from recursivemas.errors import UserError
from recursivemas.runs.metrics import peak_memory
from recursivemas.runs.record import SampleRecord
from recursivemas.runs.shared import Follower

logger = logging.getLogger(__name__)

PROJECT = "recursivemas"
TOKENS = ("prompt_tokens", "result_tokens", "generated_tokens", "latent_steps")


class Tracker(Protocol):
    """A run in a tracker."""

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        """Tell it figures by name."""

    def finish(self) -> None:
        """Nothing more comes."""


def check_package(name: str | None) -> None:
    """Raise UserError for a tracker that is not installed."""
    if name and find_spec(name) is None:
        raise UserError(f"log_with {name} needs its package: pip install {name}")


def start_tracker(
    name: str, folder: Path, config: Mapping[str, Any], *, resume: str = "allow", run_id: str | None = None
) -> Tracker:
    """A run in that tracker, named like the folder, with that configuration; TensorBoard's files lie in it.

    `resume` is trackio's `allow` or `never`; wandb goes on with the run of that `run_id`, and without one
    begins another. Raises whatever the package does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if name == "tensorboard":
        return _Board(folder / PROJECT)
    how: dict[str, Any] = {"resume": resume}
    if name == "wandb":
        how = {"dir": str(folder), **({"id": run_id, "resume": "allow"} if run_id else {})}
    tracker: Tracker = import_module(name).init(project=PROJECT, name=folder.name, config=dict(config), **how)
    return tracker


class _Board:
    """TensorBoard's files. Those of a run that goes on lie beside those that it had."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, global_step=step)
        self._writer.flush()

    def finish(self) -> None:
        self._writer.close()


class RunTracker:
    """Tells a tracker of a run's samples as they are finished, by whichever process, earlier launches' too.

    What goes wrong with the tracker is said once, and is the end of telling: the run goes on without. With
    `name` None nothing is told. `seconds` says what the run has taken so far.
    """

    def __init__(
        self,
        name: str | None,
        folder: Path,
        config: Mapping[str, Any],
        seconds: Callable[[], float],
        *,
        resume: bool,
    ) -> None:
        self._name = name
        self._seconds = seconds
        self._follower = Follower(folder)
        self._counts: Counter[str] = Counter()
        self._num_samples = 0
        self._tracker: Tracker | None = None
        if name:
            told = {key: row["value"] for key, row in config["settings"].items()}
            begun = f"{folder.name} {config['started']}"
            run_id = hashlib.sha256(begun.encode()).hexdigest()[:16]
            how = "allow" if resume else "never"
            with self._surviving():
                self._tracker = start_tracker(name, folder, told, resume=how, run_id=run_id)

    def update(self) -> None:
        """Tell what the samples so far come to, if any are new."""
        if self._tracker is None:
            return
        with self._surviving():
            before = self._num_samples
            for sample in self._follower.new():
                self._count(sample)
            if self._num_samples > before:
                self._tracker.log(self._figures(), step=self._num_samples)

    def finish(self) -> None:
        if self._tracker is not None:
            with self._surviving():
                self._tracker.finish()

    def _count(self, sample: SampleRecord) -> None:
        self._num_samples += 1
        for name, verdict in sample.verdicts.items():
            self._counts[f"accuracy/{name}"] += verdict.correct
        for usage in sample.usage:
            self._counts.update({f"tokens/{name}": getattr(usage, name) for name in TOKENS})

    def _figures(self) -> dict[str, float]:
        shares = {
            name: count / self._num_samples if name.startswith("accuracy/") else count
            for name, count in self._counts.items()
        }
        memory = {f"memory/{device}": num_bytes for device, num_bytes in peak_memory().items()}
        return {"samples": self._num_samples, **shares, "seconds": self._seconds(), **memory}

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a tracker's own kinds of errors: no network, no account, no room
            self._tracker = None
            logger.warning(
                "%s is not told of this run any more (%s); the run goes on, and its folder has all of it",
                self._name,
                str(error).strip().rstrip(".") or type(error).__name__,
            )

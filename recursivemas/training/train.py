"""Training from loaded agents and rows to trained links: `train_inner` and `train_outer`."""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import nn
from tqdm import tqdm

from recursivemas.benchmarks.base import DatasetError
from recursivemas.runs.trackers import Tracker
from recursivemas.system import MASSystem
from recursivemas.training.evaluate import evaluate_inner, evaluate_outer, is_better
from recursivemas.training.folder import (
    TrainingFolder,
    check_filenames,
    load_inner,
    load_outer,
    newest_checkpoint,
    save_inner,
    save_outer,
)
from recursivemas.training.identity import describe_training
from recursivemas.training.initial import start_inner, start_outer
from recursivemas.training.learners import InnerLearner, OuterLearner, inner_roles, outer_roles
from recursivemas.training.loop import StepRecord, Steps
from recursivemas.training.metrics import make_accelerator, metrics_line, tracked
from recursivemas.training.processes import check_once, gather_objects
from recursivemas.training.rows import Skipped, TrainingRow, task_of, usable_rows
from recursivemas.training.settings import InnerSettings, LearningSettings, OuterSettings

logger = logging.getLogger(__name__)


@dataclass
class Trained:
    """What came of a training."""

    records: list[StepRecord] = field(default_factory=list)
    """Of each step that learnt something, since it was begun or resumed."""
    skipped: Skipped = field(default_factory=Skipped)
    """Rows that nothing was learnt from, and why."""
    cut: Skipped = field(default_factory=Skipped)
    """Rows that were learnt from in part, as they were too long."""
    best: Mapping[str, Any] | None = None
    """The best scores on held-out rows, and after which step."""

    @property
    def losses(self) -> list[float]:
        return [record.loss for record in self.records]


def train_inner(
    system: MASSystem,
    role: str,
    rows: Sequence[TrainingRow],
    settings: InnerSettings,
    *,
    save_dir: str | Path | None = None,
    resume: bool = False,
    source: Mapping[str, Any] | None = None,
    show_progress: bool = False,
) -> Trained:
    """Train one agent's inner link, in place of the one that it has. The models stay as they are.

    `system` needs that agent alone. With a `save_dir` the link, checkpoints and metrics are kept there, and
    `resume` goes on from the newest checkpoint; `source` is what train_args.json there says of where rows and
    models came from. Raises DatasetError where no row can be used, UserError for a folder that is not as it
    should be; in several processes only the first one tells of the folder, the others raise
    ToldElsewhereError.
    """
    kept, skipped = usable_rows(rows, system.graph, inner_roles(system, role))
    kept, held_out = hold_out(kept, settings)
    start = replace(settings, init="random") if _can_resume(save_dir, resume) else settings
    start_inner(system, role, kept, start)
    learner = InnerLearner(system, role, settings)
    link = system.agents[role].inner_link
    folder = None
    if save_dir is not None:
        folder = TrainingFolder(Path(save_dir), lambda place: save_inner(place, link), settings)
    training = Training(learner, kept, settings, folder, skipped)
    about = describe_training(system, kept, held_out, num_processes=training.num_processes, role=role)
    training.begin(resume, lambda place: load_inner(place, link), about, source or {})
    return training.run(lambda: evaluate_inner(learner, held_out), show_progress=show_progress)


def train_outer(
    system: MASSystem,
    rows: Sequence[TrainingRow],
    settings: OuterSettings,
    *,
    save_dir: str | Path | None = None,
    resume: bool = False,
    source: Mapping[str, Any] | None = None,
    show_progress: bool = False,
) -> Trained:
    """Train a system's outer links, in place of those that it has. Models and inner links stay as they are.

    Arguments and errors are those of `train_inner`. Held-out rows are solved as questions are, and graded.
    """
    check_filenames(system.graph)
    kept, skipped = usable_rows(rows, system.graph, outer_roles(system, settings))
    kept, held_out = hold_out(kept, settings)
    start = replace(settings, init="random") if _can_resume(save_dir, resume) else settings
    start_outer(system, kept, start)
    learner = OuterLearner(system, settings)
    links = {spec: system.outer_links[spec.source, spec.target] for spec in system.graph.links}
    tasks = sorted({task_of(row.question) for row in kept})
    folder = None
    if save_dir is not None:
        folder = TrainingFolder(
            Path(save_dir), lambda place: save_outer(place, system, settings, tasks), settings
        )
    training = Training(learner, kept, settings, folder, skipped)
    about = describe_training(system, kept, held_out, num_processes=training.num_processes)
    training.begin(resume, lambda place: load_outer(place, links), about, source or {})
    return training.run(lambda: evaluate_outer(learner, held_out), show_progress=show_progress)


def hold_out(
    rows: Sequence[TrainingRow], settings: LearningSettings
) -> tuple[list[TrainingRow], list[TrainingRow]]:
    """Rows to learn from, and `eval_samples` others, drawn by the seed."""
    chosen = set(random.Random(settings.seed).sample(range(len(rows)), min(settings.eval_samples, len(rows))))
    kept = [row for number, row in enumerate(rows) if number not in chosen]
    return kept, [rows[number] for number in sorted(chosen)]


def _can_resume(save_dir: str | Path | None, resume: bool) -> bool:
    return resume and save_dir is not None and newest_checkpoint(Path(save_dir)) is not None


class Training:
    """A training on its way: steps, and what is kept and told of them."""

    def __init__(
        self,
        learner: InnerLearner | OuterLearner,
        rows: Sequence[TrainingRow],
        settings: LearningSettings,
        folder: TrainingFolder | None,
        skipped: Skipped,
    ) -> None:
        learner.skipped = skipped
        self._learner, self._settings, self._folder = learner, settings, folder
        self._accelerator: Accelerator = make_accelerator(settings, folder.path if folder else None)
        self._steps = Steps(learner, rows, settings, self._accelerator)
        self._trained = Trained(skipped=skipped, cut=learner.cut)
        self._first = 0
        self._tracker: Tracker | None = None

    @property
    def num_processes(self) -> int:
        return self._accelerator.num_processes

    def begin(
        self, resume: bool, load_links: Any, about: Mapping[str, Any], source: Mapping[str, Any]
    ) -> None:
        """Open the folder, and go back to where a training was that is resumed."""
        folder = self._folder
        if folder is None:
            return
        check_once(lambda: folder.open(resume=resume, about=about, source=source))
        state = folder.read_newest() if resume else None
        if state is None:
            return
        load_links(state["folder"])
        self._steps.optimizer.load_state_dict(state["optimizer"])
        self._first = state["step"]
        self._trained.best = state["best"]
        self._trained.skipped.merge(state["skipped"])
        self._trained.cut.merge(state["cut"])
        logger.info("going on after step %d of %d", self._first, self._steps.num_steps)

    @property
    def _is_main(self) -> bool:
        return self._accelerator.is_main_process

    def run(self, evaluate: Any, *, show_progress: bool) -> Trained:
        """Take all steps that are left."""
        num_steps = self._steps.num_steps
        bar = tqdm(
            total=num_steps,
            initial=self._first,
            unit="step",
            file=sys.stderr,
            dynamic_ncols=True,
            disable=not (show_progress and self._is_main),
        )
        place = self._folder.path if self._folder else None
        with tracked(self._settings, place) as self._tracker, bar:
            for step in range(self._first, num_steps):
                self._take(step, evaluate, bar)
        for noted in (self._trained.skipped, self._trained.cut):
            for rows in gather_objects(noted.rows):
                noted.merge(rows)
        if num_steps > self._first == 0 and not self._trained.records:
            raise DatasetError(f"nothing was learnt from any row: {self._trained.skipped.describe()}")
        if self._folder and self._is_main:
            self._folder.save_links()
        return self._trained

    def _take(self, step: int, evaluate: Any, bar: Any) -> None:
        """Take a step, and keep and tell what is to be after it, once anything has been learnt."""
        settings, done = self._settings, step + 1
        is_last = done == self._steps.num_steps
        logged = done % settings.log_every == 0 or is_last
        with learning(self._learner.links.values()):
            record = self._steps.take(step, watched=logged)
        if record is not None:
            self._trained.records.append(record)
            bar.set_postfix_str(f"loss {record.loss:.4f}", refresh=False)
            if logged:
                self._log(metrics_line(record))
        bar.update()
        if not (self._trained.records or self._first):
            return
        if settings.eval_steps and (done % settings.eval_steps == 0 or is_last):
            self._evaluate(done, evaluate)
        if settings.save_steps and done % settings.save_steps == 0:
            self._save(done)

    def _log(self, line: Mapping[str, Any]) -> None:
        if self._folder and self._is_main:
            self._folder.log(line)
        if self._tracker:
            self._tracker.log({name: value for name, value in line.items() if name != "step"}, line["step"])

    def _evaluate(self, step: int, evaluate: Any) -> None:
        found = evaluate()
        if not found:
            logger.warning("none of the held-out rows can be read: %s", self._trained.skipped.describe())
            return
        scores = {"step": step, **found}
        self._log(scores)
        if self._trained.best is None or is_better(scores, self._trained.best):
            self._trained.best = scores
            if self._folder and self._is_main:
                self._folder.save_best(scores)

    def _save(self, step: int) -> None:
        if self._folder and self._is_main:
            state = {
                "step": step,
                "optimizer": self._steps.optimizer.state_dict(),
                "best": self._trained.best,
                "skipped": self._trained.skipped.rows,
                "cut": self._trained.cut.rows,
            }
            self._folder.save_checkpoint(step, state)


@contextmanager
def learning(links: Iterable[nn.Module]) -> Iterator[None]:
    """Links take gradients inside, and none any more afterwards."""
    held = list(links)
    for link in held:
        link.requires_grad_(True)
    try:
        yield
    finally:
        for link in held:
            link.requires_grad_(False)

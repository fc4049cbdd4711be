"""The steps of training: which rows, at which rate, and what a step does to the links.

Nothing here is random but for the seed, and everything follows from a step's number: rows, rate, and so what
a resumed training does. A step's gradient is the mean over all that its batches hold, on all processes, so
neither accumulation nor the number of processes changes it. Source: docs/training.md, "Steps".
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from recursivemas.errors import UserError
from recursivemas.training.processes import gather_objects
from recursivemas.training.rows import NOT_FINITE_LOSS, Skipped, TrainingRow
from recursivemas.training.settings import LearningSettings

BETAS = (0.9, 0.95)
"""Of AdamW."""
STEPS_LOST = 3
"""In a row, after which a training has diverged."""


@dataclass(frozen=True)
class Outcome:
    """What a batch of rows gives."""

    total: Tensor
    """The sum of all losses, with gradients."""
    count: int
    """How many losses there are."""
    tokens: int
    """How many tokens were learnt from."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """Sums of parts of the loss, by name."""


class Learner(Protocol):
    """Links, and what they lose on rows."""

    @property
    def links(self) -> Mapping[str, nn.Module]: ...

    @property
    def skipped(self) -> Skipped: ...

    def read(self, rows: Sequence[TrainingRow], *, watched: bool) -> Outcome | None:
        """The losses on a batch; None where nothing can be learnt from any of its rows.

        With `watched` it takes note of what `parted_gradients` gives.
        """

    def parted_gradients(self) -> Mapping[str, Mapping[str, Tensor]]:
        """By a name such as `outer_12/r1`, that part of each parameter's gradient; told once."""


class Order:
    """Which rows each step learns from: all once an epoch, but for the last ones that fill no step."""

    def __init__(self, num_rows: int, rows_per_step: int, seed: int) -> None:
        self.steps_per_epoch = num_rows // rows_per_step
        if self.steps_per_epoch == 0:
            raise UserError(
                f"{num_rows} rows do not fill a step of {rows_per_step} (batch_size x "
                "gradient_accumulation_steps x processes); give more rows or a smaller batch_size"
            )
        self._num_rows, self._rows_per_step, self._seed = num_rows, rows_per_step, seed
        self._epoch, self._order = -1, [0]

    def rows(self, step: int) -> list[int]:
        """The rows of a step, counted from 0."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self._seed + epoch)
            self._epoch, self._order = epoch, torch.randperm(self._num_rows, generator=generator).tolist()
        return self._order[place * self._rows_per_step :][: self._rows_per_step]


def rate_factor(step: int, num_steps: int, settings: LearningSettings) -> float:
    """The share of the learning rate at a step, counted from 0: a rise from 0, then a cosine to 0, or 1."""
    if step < settings.warmup_steps:
        return step / settings.warmup_steps
    if settings.lr_scheduler_type == "constant":
        return 1.0
    progress = (step - settings.warmup_steps) / max(num_steps - settings.warmup_steps, 1)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))


@dataclass(frozen=True)
class StepRecord:
    """What a step gives; numbers are over all processes."""

    step: int
    """Counted from 1."""
    loss: float
    learning_rate: float
    gradient_norm: float
    """Before it was scaled down."""
    tokens: int
    seconds: float
    parts: Mapping[str, float]
    """Parts of the loss."""
    norms: Mapping[str, float]
    """Gradient norms by link, and by link and round where they were watched."""


class Steps:
    """Steps of one training; what has been done so far is in the links and the optimizer alone."""

    def __init__(
        self,
        learner: Learner,
        rows: Sequence[TrainingRow],
        settings: LearningSettings,
        accelerator: Accelerator,
    ) -> None:
        self.accelerator = accelerator
        self._learner, self._rows, self._settings = learner, rows, settings
        world = self.accelerator.num_processes
        self._order: Order | None = None
        if settings.max_steps or settings.num_train_epochs:
            self._order = Order(len(rows), settings.rows_per_step * world, settings.seed)
        per_epoch = self._order.steps_per_epoch if self._order else 0
        self.num_steps = settings.max_steps or settings.num_train_epochs * per_epoch
        self._steps_lost: int | None = None
        """In a row, without one finite loss; None before anything was learnt."""
        self._parameters = [one for link in learner.links.values() for one in link.parameters()]
        self.optimizer = torch.optim.AdamW(
            self._parameters, lr=settings.learning_rate, betas=BETAS, weight_decay=settings.weight_decay
        )

    def take(self, step: int, *, watched: bool = False) -> StepRecord | None:
        """Take a step, counted from 0. None where nothing can be learnt from any of its rows."""
        begun = time.perf_counter()
        rate = self._settings.learning_rate * rate_factor(step, self.num_steps, self._settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        sums = self._sum_gradients(self._my_rows(step), watched)
        count, infinite = sums.pop("count"), sums.pop("infinite")
        if not count:
            self._check_not_lost(step, bool(infinite))
            return None
        self._steps_lost = 0
        norms = self._average(count)
        if watched:
            norms |= {
                name: self._norm(parts) / count
                for name, parts in self._parts_of_all(self._learner.parted_gradients())
            }
        total_norm = math.sqrt(sum(self._norm_of(link) ** 2 for link in self._learner.links.values()))
        if not math.isfinite(total_norm):
            raise UserError(
                f"step {step + 1}: the gradient is not finite, and the step would spoil the links; give a "
                "lower learning rate, or --dtype float32"
            )
        if self._settings.max_grad_norm:
            nn.utils.clip_grad_norm_(self._parameters, self._settings.max_grad_norm)
        self.optimizer.step()
        if not all(bool(one.isfinite().all()) for one in self._parameters):
            raise UserError(
                f"step {step + 1}: the links are no longer finite; give a lower learning rate and another "
                "--save_dir"
            )
        tokens = int(sums.pop("tokens"))
        return StepRecord(
            step=step + 1,
            loss=sums.pop("loss") / count,
            learning_rate=rate,
            gradient_norm=total_norm,
            tokens=tokens,
            seconds=time.perf_counter() - begun,
            parts={name: value / count for name, value in sums.items()},
            norms=norms,
        )

    def _check_not_lost(self, step: int, infinite: bool) -> None:
        """Note a step that nothing was learnt from. Raises UserError where no loss is finite any more."""
        if self._steps_lost is None or not infinite:
            return
        self._steps_lost += 1
        if self._steps_lost == STEPS_LOST:
            raise UserError(
                f"step {step + 1}: for {STEPS_LOST} steps no row's loss has been finite: the training has "
                "diverged; give a lower learning rate and another --save_dir"
            )

    def _my_rows(self, step: int) -> list[TrainingRow]:
        """Of a step's rows those of this process."""
        assert self._order is not None
        size = self._settings.rows_per_step
        mine = self._order.rows(step)[self.accelerator.process_index * size :][:size]
        return [self._rows[row] for row in mine]

    def _sum_gradients(self, rows: Sequence[TrainingRow], watched: bool) -> dict[str, float]:
        """Leave the sum of all gradients in the parameters; the sums of what goes with them."""
        size = self._settings.batch_size
        times = self._learner.skipped.times
        sums: dict[str, float] = {"loss": 0.0, "count": 0.0, "tokens": 0.0}
        before = times[NOT_FINITE_LOSS]
        for start in range(0, len(rows), size):
            with self.accelerator.autocast():
                outcome = self._learner.read(rows[start : start + size], watched=watched)
            if outcome is None:
                continue
            self.accelerator.backward(outcome.total)
            found = {"loss": outcome.total.item(), "count": outcome.count, "tokens": outcome.tokens}
            for name, value in {**found, **outcome.parts}.items():
                sums[name] = sums.get(name, 0.0) + value
        sums["infinite"] = times[NOT_FINITE_LOSS] - before
        return self._over_all_processes(sums)

    def _over_all_processes(self, sums: dict[str, float]) -> dict[str, float]:
        if self.accelerator.num_processes == 1:
            return sums
        names = sorted({name for names in gather_objects(list(sums)) for name in names})
        values = torch.tensor([sums.get(name, 0.0) for name in names], dtype=torch.float64)
        added = self.accelerator.reduce(values.to(self.accelerator.device), "sum")
        return dict(zip(names, added.tolist(), strict=True))

    def _parts_of_all(
        self, parted: Mapping[str, Mapping[str, Tensor]]
    ) -> Iterator[tuple[str, Sequence[Tensor]]]:
        """Parts of gradients by name, summed over all processes; a process may have none of them."""
        if self.accelerator.num_processes == 1:
            yield from ((name, list(parts.values())) for name, parts in parted.items())
            return
        mine = {(name, one): part.shape for name, parts in parted.items() for one, part in parts.items()}
        shapes = {place: shape for told in gather_objects(mine) for place, shape in told.items()}
        like, sums = self._parameters[0], defaultdict[str, list[Tensor]](list)
        for (name, one), shape in sorted(shapes.items()):
            part = parted[name][one] if (name, one) in mine else like.new_zeros(shape)
            sums[name].append(self.accelerator.reduce(part, "sum"))
        yield from sums.items()

    def _average(self, count: float) -> dict[str, float]:
        """Gradients summed over all processes -> their mean; the norm of each link's."""
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if self.accelerator.num_processes > 1:
                parameter.grad = self.accelerator.reduce(parameter.grad, "sum")
            parameter.grad /= count
        return {name: self._norm_of(link) for name, link in self._learner.links.items()}

    def _norm_of(self, link: nn.Module) -> float:
        return self._norm([one.grad for one in link.parameters() if one.grad is not None])

    def _norm(self, tensors: Sequence[Tensor]) -> float:
        return math.sqrt(sum(tensor.double().square().sum().item() for tensor in tensors))

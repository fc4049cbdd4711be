"""Windows of batches that fit: where memory runs out, batches are halved and what is left goes on."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from recursivemas.errors import UserError
from recursivemas.question import Question
from recursivemas.recursion.observers import Watcher
from recursivemas.recursion.solve import Solver
from recursivemas.recursion.window import Finished
from recursivemas.settings import AUTO, SolveSettings

logger = logging.getLogger(__name__)

OUT_OF_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",  # on Windows
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDA error: out of memory",  # what the driver says, of a graph say
    "MPS backend out of memory",
)
"""How errors begin or end that say so and are no torch.OutOfMemoryError."""


LEAST_SHARE = 2
"""Windows that each of several processes has, where there are batches enough: one that is done early goes on
with another."""


def choose_window(settings: SolveSettings, num_batches: int, num_processes: int) -> int:
    """The batches of an answer window of a run with so many, which so many processes share."""
    if settings.answer_window != AUTO or num_processes == 1:
        return settings.widest_window
    return max(min(num_batches // (LEAST_SHARE * num_processes), settings.widest_window), 1)


@dataclass(frozen=True)
class Halving:
    """Memory ran out with so many rows side by side, and so many were tried next."""

    side_by_side: int
    then: int


class Batches:
    """Solves questions, at most `size` side by side; once that was too many, fewer.

    The answers to `answer_window` batches, `num_rollouts` to a question, are written as one stream. With
    `can_halve` off, where a question's neighbours decide its answer, too many is an error.
    """

    def __init__(
        self,
        solver: Solver,
        size: int,
        *,
        answer_window: int = 1,
        num_rollouts: int = 1,
        can_halve: bool = True,
    ) -> None:
        self.size = size
        self.window = size * answer_window
        """How many questions are taken up at a time, whatever their batches become."""
        self.halvings: list[Halving] = []
        """In order."""
        self._solver = solver
        self._num_rollouts = num_rollouts
        self._can_halve = can_halve

    def figures(self) -> dict[str, Any]:
        """What was kept of what agents have read, and how text was written, so far."""
        pace = self._solver.pace
        return {
            "prefix_cache": self._solver.prefix_cache.figures(),
            "writing": {
                "side_by_side": self.size,
                "steps": pace.steps,
                "tokens": pace.tokens,
                "ideal_steps": pace.tokens / self.size,
            },
        }

    def solve(
        self,
        questions: Sequence[Question],
        watcher: Watcher | None = None,
        begin: Callable[[int], None] | None = None,
    ) -> Iterator[Finished]:
        """What comes of the questions, by their places, a part of them at a time as they are finished.

        `begin` is told how many questions of a window are left before they are tried. Raises UserError where
        memory runs out with one question.
        """
        for start in range(0, len(questions), self.window):
            left = dict(enumerate(questions[start : start + self.window], start))
            while left:
                if begin:
                    begin(len(left))
                tried = min(self.size, len(left) * self._num_rollouts)
                yield from self._try(left, watcher)
                if left:
                    self._halve(tried, next(iter(left.values())))

    def _try(self, left: dict[int, Question], watcher: Watcher | None) -> Iterator[Finished]:
        """Those questions that are finished, which are taken out of `left`, until memory runs out."""
        places = list(left)
        try:
            for finished in self._solver.solve(list(left.values()), self.size, watcher):
                found = {places[place]: solutions for place, solutions in finished.items()}
                for place in found:
                    del left[place]
                yield found
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        if left:  # what was held is free again by the next try
            gc.collect()  # frames that the error went through may hold each other
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _halve(self, tried: int, question: Question) -> None:
        """Go on with half of the size, or of that, until it is less than the rows that were tried.

        `question` is the first of those that are left.
        """
        if tried == 1 or not self._can_halve:
            what = f"question {question.id!r} alone" if tried == 1 else f"{tried} rows side by side"
            why = "" if tried == 1 else ", and shuffled messages depend on who is beside whom"
            raise UserError(
                f"out of memory with {what}{why}. What was finished is kept: go on with --resume on a larger "
                "device, or start anew with a lower batch_size, max_new_tokens or latent_length, or with "
                "--offload or --quantization"
            )
        while self.size >= tried:
            self.size //= 2
        self.halvings.append(Halving(tried, self.size))
        logger.warning(
            "out of memory with %d rows side by side: going on with %d; nothing is lost",
            *(tried, self.size),
        )


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device or the machine had no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)

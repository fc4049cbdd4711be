"""Batches that fit: where memory runs out, a batch is halved and what is left goes on."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from recursivemas.engine import PrefixCache
from recursivemas.errors import UserError
from recursivemas.question import Question
from recursivemas.recursion.observers import Watcher
from recursivemas.recursion.solve import Solver
from recursivemas.recursion.trace import Solution

logger = logging.getLogger(__name__)

OUT_OF_MEMORY = ("DefaultCPUAllocator: can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""How errors begin or end that say so and are no torch.OutOfMemoryError."""


@dataclass(frozen=True)
class Halving:
    """Memory ran out with so many questions side by side, and so many were tried next."""

    questions: int
    then: int


class Batches:
    """Solves questions, at most `size` side by side; once that was too many, fewer.

    With `can_halve` off, where a question's neighbours decide its answer, too many is an error.
    """

    def __init__(self, solver: Solver, size: int, *, can_halve: bool = True) -> None:
        self.size = size
        self.halvings: list[Halving] = []
        """In order."""
        self._solver = solver
        self._can_halve = can_halve

    @property
    def prefix_cache(self) -> PrefixCache:
        """What agents keep of what they have read of a batch."""
        return self._solver.prefix_cache

    def solve(
        self,
        questions: Sequence[Question],
        watcher: Watcher | None = None,
        begin: Callable[[int], None] | None = None,
    ) -> Iterator[list[Solution]]:
        """The solutions in order, as many questions' at a time as were solved side by side.

        `begin` is told how many these are before they are tried. Raises UserError where memory runs out with
        one question.
        """
        start = 0
        while start < len(questions):
            part = questions[start : start + self.size]
            if begin:
                begin(len(part))
            solutions = self._try(part, watcher)
            if solutions is None:
                self._halve(part)
            else:
                start += len(part)
                yield solutions

    def _try(self, questions: Sequence[Question], watcher: Watcher | None) -> list[Solution] | None:
        """The solutions; None where memory ran out, which is free again by then."""
        try:
            return self._solver.solve(questions, watcher)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        gc.collect()  # frames that the error went through may hold each other
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None

    def _halve(self, questions: Sequence[Question]) -> None:
        """Go on with half of the size, or of that, until it is less than what was tried."""
        tried = len(questions)
        if tried == 1 or not self._can_halve:
            what = f"question {questions[0].id!r} alone" if tried == 1 else f"{tried} questions side by side"
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
            "out of memory with %d questions side by side: going on with %d; nothing is lost",
            *(tried, self.size),
        )


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device or the machine had no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)

"""The progress bar of a run: questions done, and a time left that goes on moving while they are solved."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

Turn = tuple[int, str]
"""Round and role."""

FORMAT = "{percentage:3.0f}%|{bar}| {done} of {total_fmt} done [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
REFRESH_S = 0.1
REFRESH_IN_FILE_S = 30.0
"""How often the bar is drawn: into a file, where each time is a line more, seldom."""


class Progress:
    """Watches a run's windows and draws how far they have come, behind warnings that stand above it.

    `turns` are those of a batch, in order; the last one writes the answers, `num_tokens` at most to a batch,
    when all batches of the window have come to it. Of `num_questions` in all `num_done` were done before. How
    far a window has come is told by the seconds that turns took in the window before; in the first one every
    turn counts alike, and writing as much as all others together.
    """

    def __init__(self, turns: Sequence[Turn], num_tokens: int, num_questions: int, num_done: int) -> None:
        self._turns = list(turns)
        self._last = self._turns[-1]
        self._weights = dict.fromkeys(self._turns, 1.0)
        self._weights[self._last] = max(len(self._turns) - 1.0, 1.0)
        self._num_tokens = float(max(num_tokens, 1))
        self._where, self._place = "", ""
        self._begin(num_done, 0, 1)
        on_terminal = sys.stderr.isatty()
        self._refresh_s = REFRESH_S if on_terminal else REFRESH_IN_FILE_S
        self._drawn = time.monotonic()
        self._bar = _Bar(
            total=num_questions,
            initial=num_done,
            unit="question",
            file=sys.stderr,
            dynamic_ncols=True,
            smoothing=0,  # the time left comes from the whole run, and so from fractions of questions
            bar_format=FORMAT,
            mininterval=self._refresh_s,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def window(self, num_done: int, size: int, num_batches: int) -> None:
        """A window of so many questions, so many batches, begins; `num_done` of the run are done by now."""
        if self._begun:
            self._learn()
        self._begin(num_done, size, num_batches)
        self._draw()

    def done(self, num_done: int) -> None:
        """So many questions of the run are done by now."""
        self._num_done = num_done
        self._draw()

    def finish(self, num_done: int) -> None:
        """All is done, or nothing is left for this process."""
        self._begin(num_done, 0, 1)
        self._draw(now=True)

    def turn(self, round_number: int, role: str) -> None:
        """An agent's turn begins, or a further part of it."""
        turn = (round_number, role)
        if not self._begun or self._begun[-1][0] != turn:
            self._begun.append((turn, time.monotonic()))
            self._running_step = 0
        self._place = f"round {round_number}/{self._last[0]}, {role}"
        self._where = self._place
        self._draw()

    def token(self, num_running: int) -> None:
        """Each row that still ran has written a token; `num_running` rows go on."""
        if self._begun and self._begun[-1][0] == self._last:
            self._num_steps += 1
        self._running_step += 1
        going = "1 question goes on" if num_running == 1 else f"{num_running} questions go on"
        self._where = f"{self._place} writes token {self._running_step}, {going}"
        self._draw()

    def share(self) -> float:
        """How much of the window is done, from 0 to 1."""
        thought = sum(self._weights.get(turn, 0.0) for turn, _ in self._begun[:-1] if turn != self._last)
        writes = self._begun and self._begun[-1][0] == self._last
        written = min(self._num_steps / self._num_tokens, self._num_batches) if writes else 0.0
        whole = self._num_batches * sum(self._weights.values())
        return (thought + written * self._weights[self._last]) / whole

    def _begin(self, num_done: int, size: int, num_batches: int) -> None:
        self._num_done = self._num_before = num_done
        self._size, self._num_batches = size, num_batches
        self._begun: list[tuple[Turn, float]] = []
        self._num_steps = self._running_step = 0

    def _learn(self) -> None:
        """Take what the turns of the window that ends now took, by batch, for what the next one's will."""
        ends = [*(start for _, start in self._begun[1:]), time.monotonic()]
        seconds = dict.fromkeys((turn for turn, _ in self._begun), 0.0)
        for (turn, start), end in zip(self._begun, ends, strict=True):
            seconds[turn] += (end - start) / self._num_batches
        self._weights |= {turn: max(value, 1e-6) for turn, value in seconds.items()}
        self._num_tokens = max(self._num_steps / self._num_batches, 1.0)

    def _draw(self, *, now: bool = False) -> None:
        moment = time.monotonic()
        if now or moment - self._drawn >= self._refresh_s:
            self._drawn = moment
            self._bar.num_done = self._num_done
            self._bar.n = max(self._bar.n, self._num_before + self._size * self.share())
            self._bar.set_postfix_str(self._where, refresh=False)
            self._bar.refresh()


class _Bar(tqdm):
    """Counts whole questions and measures time by fractions of them."""

    num_done = 0

    @property
    def format_dict(self) -> dict[str, Any]:
        return {**super().format_dict, "done": self.num_done}


class Silence:
    """The watcher where nothing is drawn."""

    def __enter__(self) -> Silence:
        return self

    def __exit__(self, *_: object) -> None: ...

    def window(self, num_done: int, size: int, num_batches: int) -> None: ...

    def done(self, num_done: int) -> None: ...

    def finish(self, num_done: int) -> None: ...

    def turn(self, round_number: int, role: str) -> None: ...

    def token(self, num_running: int) -> None: ...


@contextmanager
def warnings_above_the_bar() -> Iterator[None]:
    """Warnings, ours and others', stand in lines of their own and do not break the bar.

    transformers says of each kernel that it uses the slow, correct form. Where there is no GPU there is no
    other, and nothing to install.
    """
    kernels = logging.getLogger("transformers.integrations.hub_kernels")
    logging.captureWarnings(True)
    if not torch.cuda.is_available():
        kernels.addFilter(_is_no_fallback)
    try:
        with logging_redirect_tqdm([logging.getLogger(name) for name in LOGGERS]):
            yield
    finally:
        kernels.removeFilter(_is_no_fallback)
        logging.captureWarnings(False)


LOGGERS = ("recursivemas", "transformers", "py.warnings")


def _is_no_fallback(record: logging.LogRecord) -> bool:
    return "is falling back to its reference PyTorch implementation" not in record.getMessage()

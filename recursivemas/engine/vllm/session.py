"""Rows on their way through a model that vLLM runs.

A row is held here as its input embeddings; what has been computed of it vLLM may keep. vLLM draws sampled
tokens with random numbers of its own: a row's stream gives their seed.

Shapes: B rows, T_i a row's positions, L latent steps, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recursivemas.engine.base import NOT_FINITE, Generated, Pauses, Positions, Thoughts, WriteRequest
from recursivemas.engine.stream import rows_not_finite
from recursivemas.engine.vllm.core import Core, Output
from recursivemas.engine.vllm.embeddings import Embeddings
from recursivemas.engine.writing import Writing, back_from_pause, check_requests, done, has_to_wait
from recursivemas.errors import UserError
from recursivemas.links import InnerLink
from recursivemas.sampling import SamplingSettings

SEED_BITS = 63


class VllmSession:
    """Rows as input embeddings [T_i, D] on the CPU, which are read when something is asked of them.

    Thoughts come out on `device`; with `reuse` vLLM may use what it has read before.
    """

    def __init__(
        self, core: Core, embeddings: Embeddings, rows: Sequence[Tensor], *, device: torch.device, reuse: bool
    ) -> None:
        self._core = core
        self._embeddings = embeddings
        self._rows = list(rows)
        self._device = device
        self._reuse = reuse

    def __len__(self) -> int:
        return len(self._rows)

    def think(self, link: InnerLink, steps: int) -> Thoughts:
        """Raises UserError, besides, where a row has no room for its thoughts."""
        if steps < 0:
            raise ValueError(f"{steps} latent steps are asked for; it has to be 0 or more")
        if steps == 0:
            none = torch.empty(len(self), 0, self._embeddings.hidden_size, dtype=link.dtype)
            return Thoughts(none.to(self._device))
        longest = max(map(len, self._rows)) + steps
        if longest > self._core.max_positions:
            raise UserError(
                f"a prompt with its {steps} thoughts has {longest} positions, and vLLM has room for "
                f"{self._core.max_positions}; give a lower --latent_length, or vLLM more memory"
            )
        names: list[str] = []
        read: dict[str, Positions] = {}
        try:
            names += [self._core.think(row, link, steps, reuse=self._reuse) for row in self._rows]
            while len(read) < len(names):
                read |= {output.name: output.read for output in self._core.step() if output.ended_by}
        finally:
            self._core.abort([name for name in names if name not in read])
        thoughts = self._core.take_thoughts(names)  # [B, L, D]
        for index, latents in enumerate(thoughts):
            self._append(index, latents.to(self._embeddings.dtype))
        failed = tuple(rows_not_finite(thoughts))
        return Thoughts(thoughts.to(self._device), failed, tuple(read[name] for name in names))

    def fork(self, copies: int) -> VllmSession:
        if copies < 1:
            raise ValueError(f"{copies} copies are asked for; it has to be 1 or more")
        return VllmSession(
            self._core, self._embeddings, self._rows * copies, device=self._device, reuse=self._reuse
        )

    def write(
        self,
        requests: Sequence[WriteRequest],
        *,
        sampling: SamplingSettings,
        stop_ids: Collection[int],
        pauses: Pauses | None = None,
        on_step: Callable[[int], None] | None = None,
        rejoin_every: int = 0,
    ) -> Iterator[tuple[int, Generated]]:
        """Raises UserError, besides, for what vLLM cannot do. A row with no room left ends by `length`."""
        check_writing(sampling, rejoin_every)
        check_requests(requests)
        for request in requests:
            if request.inserted:
                self._append(request.row, self._embeddings.of(request.inserted))
        rows = [
            _Row(index=index, request=request, prompt=self._rows[request.row])
            for index, request in enumerate(requests)
        ]
        with _Writer(self._core, self._embeddings, sampling, stop_ids, pauses, reuse=self._reuse) as writer:
            for index, generated in writer.write(rows, on_step):
                ids = [id_ for segment in generated.segments for id_ in segment.token_ids]
                self._append(requests[index].row, self._embeddings.of(ids))
                yield requests[index].row, generated

    def release(self, row: int) -> None:
        self._rows[row] = self._embeddings.of(())

    def _append(self, row: int, embeddings: Tensor) -> None:
        self._rows[row] = torch.cat([self._rows[row], embeddings])


def check_writing(sampling: SamplingSettings, rejoin_every: int) -> None:
    """Raise UserError for settings under which vLLM would not do what ours does."""
    if sampling.repetition_penalty != 1:
        raise UserError(
            f"repetition_penalty {sampling.repetition_penalty} is not for vLLM, which counts what a prompt "
            "says, too; give 1, or --backend transformers"
        )
    if rejoin_every:
        raise UserError(
            f"rejoin_every {rejoin_every} is not for vLLM, whose batches nobody holds up; give 0, or "
            "--backend transformers"
        )


@dataclass(eq=False, kw_only=True)
class _Row(Writing):
    prompt: Tensor
    """[T, D]."""


class _Writer:
    """Has vLLM write after rows; a context manager that breaks off what is not finished."""

    def __init__(
        self,
        core: Core,
        embeddings: Embeddings,
        sampling: SamplingSettings,
        stop_ids: Collection[int],
        pauses: Pauses | None,
        *,
        reuse: bool,
    ) -> None:
        self._core = core
        self._embeddings = embeddings
        self._sampling = sampling
        self._stop_ids = frozenset(stop_ids)
        self._pauses = pauses
        self._reuse = reuse
        self._running: dict[str, _Row] = {}
        self._waiting: list[tuple[_Row, Future[Any]]] = []

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._core.abort(list(self._running))

    def write(
        self, rows: Sequence[_Row], on_step: Callable[[int], None] | None
    ) -> Iterator[tuple[int, Generated]]:
        for row in rows:
            self._start(row)
        yield from done(rows)
        while self._running or self._waiting:
            if self._running:
                left = self._step()
                if on_step:
                    on_step(len(self._running) + len(self._waiting))
                yield from done(left)
            if self._pauses:
                idle = not self._running
                back = back_from_pause(self._waiting, self._pauses, block=idle, together=False)
                for row in back:
                    if not row.ended_by:
                        self._start(row)
                yield from done(back)

    def _start(self, row: _Row) -> None:
        """Have a row written on behind all that it holds; it has ended where there is no room."""
        prompt = torch.cat([row.prompt, self._embeddings.of(row.token_ids())])
        room = min(row.left, self._core.max_positions - len(prompt))
        if room < 1:
            row.ended_by = "length"
            return
        name = self._core.write(
            prompt,
            reuse=self._reuse,
            max_tokens=room,
            stop_token_ids=sorted(self._stop_ids),
            **_sampling(self._sampling, row.request),
        )
        self._running[name] = row

    def _step(self) -> list[_Row]:
        """One step of all rows that are being written; returns those that have ended or wait now."""
        left = {output.name: row for output in self._core.step() if (row := self._take(output))}
        for row, failed in zip(left.values(), self._core.take_failures(list(left)), strict=True):
            if failed:
                row.ended_by = NOT_FINITE
                self._waiting = [(other, future) for other, future in self._waiting if other is not row]
        return list(left.values())

    def _take(self, output: Output) -> _Row | None:
        """Take what a step gave a row; returns the row where it ends or waits now."""
        row = self._running[output.name]
        leaves = False
        for token in output.token_ids:
            leaves = not row.takes(token, self._stop_ids) or has_to_wait(row, self._pauses, self._waiting)
            if leaves:
                break
        if not leaves and not output.ended_by:
            return None
        del self._running[output.name]
        row.read += output.read
        if not output.ended_by:
            self._core.abort([output.name], forget=False)
        elif not leaves:
            row.ended_by = output.ended_by
        return row


def _sampling(settings: SamplingSettings, request: WriteRequest) -> dict[str, Any]:
    """How vLLM is told to sample a row's text."""
    if settings.greedy:
        return {"temperature": 0.0}
    return {
        "seed": request.stream.getrandbits(SEED_BITS),
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,
        "min_p": settings.min_p,
    }

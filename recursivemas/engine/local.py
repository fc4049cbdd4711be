"""The engine in this process: a transformers model with its cache, one batch at a time.

Shapes: B rows, T_i a row's positions, L latent steps, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile

import torch
from torch import Tensor
from torch.profiler import record_function
from transformers import GenerationConfig, PreTrainedModel

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.base import Engine, Generated, Pauses, Prompt, Thoughts, WriteRequest
from recursivemas.engine.decode import decode
from recursivemas.engine.prefix_cache import PrefixCache
from recursivemas.engine.reading import Fork, Reader, Row
from recursivemas.engine.running import DynamicRunning, Running
from recursivemas.engine.static_pool import StaticPool
from recursivemas.engine.static_running import BLOCK, StaticRunning, roll_out_static
from recursivemas.engine.stream import Rollout, Stream, check_lengths, roll_out, rows_not_finite
from recursivemas.links import InnerLink
from recursivemas.sampling import SamplingSettings


class LocalEngine:
    """A causal language model of transformers, in any dtype, on any device or several.

    Its steps are taken on static caches where `static_cache` is `on`, or `auto` and the device is CUDA; not
    where it is `off`. Raises UserError where it is `on` and the model cannot have them.
    """

    def __init__(self, model: PreTrainedModel, static_cache: str = "auto") -> None:
        self.model = model
        self.prefix_cache = PrefixCache(0)
        """What its sessions keep of what they read."""
        self.max_rows: int | None = None
        """How many rows of a session run side by side at most; None: as many as were opened."""
        self.prefill = "auto"
        """How rows are read: `padded` (side by side), `apart` (long ones), `auto` (apart on a CPU)."""
        self._backbone = Backbone(model)
        self.static_pool = StaticPool(self._backbone, static_cache)
        """What its steps are taken on, where they are static."""

    @property
    def hidden_size(self) -> int:
        return self._backbone.hidden_size

    @property
    def dtype(self) -> torch.dtype:
        return self._backbone.dtype

    @property
    def device(self) -> torch.device:
        return self._backbone.device

    @property
    def num_embeddings(self) -> int:
        return self._backbone.num_embeddings

    @property
    def max_positions(self) -> int | None:
        return self._backbone.max_positions

    @property
    def steps(self) -> str:
        """How steps are taken, for the record: `static`, or `dynamic` and why."""
        return f"dynamic: {self.static_pool.why_not}" if self.static_pool.why_not else "static"

    @property
    def generation_config(self) -> GenerationConfig | None:
        return self.model.generation_config

    def describe(self) -> dict[str, str]:
        return {"backend": "transformers", "attn": self.model.config._attn_implementation}

    @torch.no_grad()
    def open(self, prompts: Sequence[Prompt]) -> LocalSession:
        rows = self._embed(prompts)
        check_lengths([len(row) for row in rows])
        apart = self.prefill == "apart" or (self.prefill == "auto" and self.device.type == "cpu")
        reader = Reader(self._backbone, self.prefix_cache, apart=apart)
        return LocalSession(reader, rows, self.max_rows or len(rows), self.static_pool)

    def _embed(self, prompts: Sequence[Prompt]) -> list[Row]:
        """Each prompt's input embeddings [T_i, D]; all token ids are embedded in one go."""
        backbone = self._backbone
        texts = [piece for prompt in prompts for piece in prompt if isinstance(piece, tuple)]
        ids = [id_ for piece in texts for id_ in piece]
        embedded = iter(backbone.embed(ids).split([len(piece) for piece in texts]))
        return [
            Row(
                torch.cat(
                    [
                        next(embedded)
                        if isinstance(piece, tuple)
                        else piece.to(backbone.device, backbone.dtype)
                        for piece in prompt
                    ]
                    or [backbone.embed([])]
                ),
                _head(prompt),
                _common(prompt),
            )
            for prompt in prompts
        ]


def _head(prompt: Prompt) -> tuple[int, ...]:
    """The token ids up to the first latent."""
    pieces = takewhile(lambda piece: isinstance(piece, tuple) or not len(piece), prompt)
    return tuple(id_ for piece in pieces if isinstance(piece, tuple) for id_ in piece)


def _common(prompt: Prompt) -> int:
    """How many token ids are a piece of their own, with more text behind it."""
    first, following = (*prompt[:2], (), ())[:2]
    return len(first) if isinstance(first, tuple) and isinstance(following, tuple) and following else 0


@contextmanager
def limit_rows(engines: Iterable[Engine], max_rows: int) -> Iterator[None]:
    """Have the engines run no more rows side by side meanwhile; others wait for their places.

    An engine of another kind than ours sees to it by itself.
    """
    ours = [engine for engine in engines if isinstance(engine, LocalEngine)]
    for engine in ours:
        engine.max_rows = max_rows
    try:
        yield
    finally:
        for engine in ours:
            engine.max_rows = None


class LocalSession:
    """Rows as input embeddings; they are read when something is first asked of them.

    At most `width` of them run side by side: as many as were opened, or as the engine says. Copies of a fork
    wait until there is room, so that they need little more memory than one. A caller's inference mode is left
    meanwhile: tensors that are made in it, and stay, could not be written to outside of it.
    """

    def __init__(self, reader: Reader, rows: Sequence[Row], width: int, pool: StaticPool) -> None:
        self._reader = reader
        self._pool = pool
        self._rows = list(rows)
        self._width = width

    def __len__(self) -> int:
        return len(self._rows)

    @torch.inference_mode(False)
    @torch.no_grad()
    def think(self, link: InnerLink, steps: int) -> Thoughts:
        if steps < 0:
            raise ValueError(f"{steps} latent steps are asked for; it has to be 0 or more")
        backbone = self._reader.backbone
        if steps == 0:
            none = torch.empty(len(self), 0, backbone.hidden_size, device=backbone.device)
            return Thoughts(none.to(link.dtype))
        rollouts, read = [], []
        for first in range(0, len(self), self._width):
            rows = self._rows[first : first + self._width]
            stream, positions = self._reader.read(rows)
            read += positions
            with record_function("think"):
                rollouts.append(self._roll_out(stream, link, steps))
            for row, thoughts in zip(rows, rollouts[-1].thoughts, strict=True):
                self._append(row, thoughts)
        hidden = torch.cat([rollout.hidden for rollout in rollouts])
        latents = torch.cat([rollout.thoughts for rollout in rollouts])
        return Thoughts(latents, tuple(rows_not_finite(hidden, latents)), tuple(read), hidden)

    def _roll_out(self, stream: Stream, link: InnerLink, steps: int) -> Rollout:
        static = not self._pool.why_not and steps > 1
        return roll_out_static(self._pool, stream, link, steps) if static else roll_out(stream, link, steps)

    def _append(self, row: Row, embeddings: Tensor) -> None:
        """Input embeddings [T, D] that follow a row; what is kept of it does not hold them."""
        row.embeddings = torch.cat([row.embeddings, embeddings.to(self._reader.backbone.dtype)])

    def fork(self, copies: int) -> LocalSession:
        if copies < 1:
            raise ValueError(f"{copies} copies are asked for; it has to be 1 or more")
        for row in self._rows:
            row.fork = row.fork or Fork(len(row), num_unread=1)
            row.fork.num_unread += copies - 1
        rows = [replace(row) for _ in range(copies) for row in self._rows]
        return LocalSession(self._reader, rows, self._width, self._pool)

    @torch.inference_mode(False)
    @torch.no_grad()
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
        embed = self._reader.backbone.embed
        rows = [self._rows[request.row] for request in requests]
        for row, request in zip(rows, requests, strict=True):
            if request.inserted:
                self._append(row, embed(request.inserted))
        width = min(self._width, len(rows))
        finished = decode(
            self._running(sampling, stop_ids, width, block=1 if pauses else BLOCK),
            rows,
            requests,
            width=width,
            can_join=self._reader.knows_cache,
            stop_ids=stop_ids,
            pauses=pauses,
            on_step=on_step,
            rejoin_every=rejoin_every,
        )
        with record_function("write"):
            for index, generated in finished:
                ids = [id_ for segment in generated.segments for id_ in segment.token_ids]
                self._append(rows[index], embed(ids))
                yield requests[index].row, generated

    def _running(
        self, sampling: SamplingSettings, stop_ids: Collection[int], width: int, block: int
    ) -> Running:
        if self._pool.why_not:
            return DynamicRunning(self._reader, sampling)
        return StaticRunning(self._reader, self._pool, sampling, stop_ids, width=width, block=block)

    def release(self, row: int) -> None:
        released = self._rows[row]
        released.embeddings = released.embeddings.new_empty(0, released.embeddings.shape[1])
        released.kept, released.kept_length = None, 0

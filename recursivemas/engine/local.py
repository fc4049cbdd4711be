"""The engine in this process: a transformers model with its cache, one batch at a time.

Shapes: B rows, T_i a row's positions, L latent steps, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, takewhile

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.base import Engine, Generated, Pauses, Positions, Prompt, Thoughts, WriteRequest
from recursivemas.engine.decode import decode
from recursivemas.engine.prefix_cache import PrefixCache
from recursivemas.engine.reading import Reader, Row
from recursivemas.engine.stream import Stream, check_lengths, roll_out, rows_not_finite
from recursivemas.links import InnerLink
from recursivemas.sampling import SamplingSettings


class LocalEngine:
    """A causal language model of transformers, in any dtype, on any device or several."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.prefix_cache = PrefixCache(0)
        self._backbone = Backbone(model)

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
    def generation_config(self) -> GenerationConfig | None:
        return self.model.generation_config

    @torch.no_grad()
    def open(self, prompts: Sequence[Prompt]) -> LocalSession:
        rows = self._embed(prompts)
        check_lengths([len(row) for row in rows])
        reader = Reader(self._backbone, self.prefix_cache)
        return LocalSession(reader, [_Copy(reader, rows, _Reading(reader, rows))])

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
            )
            for prompt in prompts
        ]


def _head(prompt: Prompt) -> tuple[int, ...]:
    """The token ids up to the first latent."""
    pieces = takewhile(lambda piece: isinstance(piece, tuple) or not len(piece), prompt)
    return tuple(id_ for piece in pieces if isinstance(piece, tuple) for id_ in piece)


@contextmanager
def reuse_prefixes(engines: Iterable[Engine], cache: PrefixCache) -> Iterator[None]:
    """Have the engines keep what they read meanwhile, and read none of it twice.

    An engine of another kind than ours sees to it by itself.
    """
    ours = [engine for engine in engines if isinstance(engine, LocalEngine)]
    for engine in ours:
        engine.prefix_cache = cache
    try:
        yield
    finally:
        cache.clear()
        for engine in ours:
            engine.prefix_cache = PrefixCache(0)


class _Reading:
    """Rows that have been read, or will be on first use, for one copy of them or several."""

    def __init__(self, reader: Reader, rows: Sequence[Row]) -> None:
        self.num_copies = 1
        self._reader = reader
        self._rows = list(rows)
        self._stream: Stream | None = None

    def take(self, rows: Sequence[int]) -> tuple[Stream, list[Positions]]:
        """A stream of these rows, for one of the copies; what is read is read once for all of them."""
        self.num_copies -= 1
        if self._stream is None and self.num_copies == 0:
            return self._reader.read([self._rows[row] for row in rows])
        read = [Positions() for _ in self._rows]
        if self._stream is None:
            self._stream, read = self._reader.read(self._rows)
        stream = self._stream.copy() if self.num_copies else self._stream
        if list(rows) != list(range(len(self._rows))):
            stream.keep(list(rows))
        return stream, [read[row] for row in rows]


class _Copy:
    """As many rows as were opened, each with all that has followed its prompt."""

    def __init__(self, reader: Reader, rows: Sequence[Row], reading: _Reading) -> None:
        self.rows = [replace(row) for row in rows]
        self._reader = reader
        self._reading: _Reading | None = reading

    def append(self, row: int, embeddings: Tensor) -> None:
        """Input embeddings [T, D] that follow a row; what was read before does not hold them."""
        if self._reading is not None:
            self._reading.num_copies -= 1
            self._reading = None
        grown = self.rows[row]
        grown.embeddings = torch.cat([grown.embeddings, embeddings.to(self._reader.backbone.dtype)])

    def read(self, rows: Sequence[int]) -> tuple[Stream, list[Positions]]:
        """A stream of these rows, read now if they have grown since they were, and what it took."""
        if self._reading is None:
            return self._reader.read([self.rows[row] for row in rows])
        taken = self._reading.take(rows)
        self._reading = None
        return taken

    def fork(self, copies: int) -> list[_Copy]:
        """So many of it; what is read is read once for all of them."""
        reading = self._reading or _Reading(self._reader, self.rows)
        reading.num_copies += copies - 1
        return [_Copy(self._reader, self.rows, reading) for _ in range(copies)]


class LocalSession:
    """Rows as input embeddings; they are read when something is first asked of them.

    The copies of a fork are taken one after another, with as many rows side by side as were forked: so they
    need little more memory than one, and each row runs beside the neighbours that it would have by itself.
    """

    def __init__(self, reader: Reader, copies: Sequence[_Copy]) -> None:
        self._reader = reader
        self._copies = list(copies)
        self._width = len(copies[0].rows)

    def __len__(self) -> int:
        return self._width * len(self._copies)

    @torch.no_grad()
    def think(self, link: InnerLink, steps: int) -> Thoughts:
        if steps < 0:
            raise ValueError(f"{steps} latent steps are asked for; it has to be 0 or more")
        backbone = self._reader.backbone
        if steps == 0:
            none = torch.empty(len(self), 0, backbone.hidden_size, device=backbone.device)
            return Thoughts(none.to(link.dtype))
        every_row = range(self._width)
        rollouts, read = [], []
        for copy in self._copies:
            stream, positions = copy.read(every_row)
            read += positions
            rollouts.append(roll_out(stream, link, steps))
            for row in every_row:
                copy.append(row, rollouts[-1].thoughts[row])
        hidden = torch.cat([rollout.hidden for rollout in rollouts])
        latents = torch.cat([rollout.thoughts for rollout in rollouts])
        return Thoughts(latents, tuple(rows_not_finite(hidden, latents)), tuple(read))

    def fork(self, copies: int) -> LocalSession:
        if copies < 1:
            raise ValueError(f"{copies} copies are asked for; it has to be 1 or more")
        forks = [copy.fork(copies) for copy in self._copies]
        in_order = chain.from_iterable(zip(*forks, strict=True))  # all of them once, then all once more
        return LocalSession(self._reader, list(in_order))

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
        for number, copy in enumerate(self._copies):
            asked = [request for request in requests if request.row // self._width == number]
            if not asked:
                continue
            places = [request.row % self._width for request in asked]
            for place, request in zip(places, asked, strict=True):
                if request.inserted:
                    copy.append(place, embed(request.inserted))
            stream, read = copy.read(places)
            finished = decode(
                self._reader,
                stream,
                [copy.rows[place] for place in places],
                asked,
                sampling=sampling,
                stop_ids=stop_ids,
                pauses=pauses,
                on_step=on_step,
                rejoin_every=rejoin_every,
            )
            for index, generated in finished:
                ids = [id_ for segment in generated.segments for id_ in segment.token_ids]
                copy.append(places[index], embed(ids))
                yield asked[index].row, replace(generated, read=read[index] + generated.read)

"""The engine in this process: a transformers model with its cache, one batch at a time.

Shapes: B rows, T_i a row's positions, L latent steps, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.base import Generated, Pauses, Prompt, Thoughts, WriteRequest
from recursivemas.engine.decode import decode
from recursivemas.engine.stream import PromptBatch, Stream, check_lengths, roll_out, rows_not_finite
from recursivemas.links import InnerLink
from recursivemas.sampling import SamplingSettings


class LocalEngine:
    """A causal language model of transformers, in any dtype, on any device or several."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
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
        return LocalSession(self._backbone, [_Copy(self._backbone, rows, _Reading(self._backbone, rows))])

    def _embed(self, prompts: Sequence[Prompt]) -> list[Tensor]:
        """Each prompt's input embeddings [T_i, D]; all token ids are embedded in one go."""
        backbone = self._backbone
        texts = [piece for prompt in prompts for piece in prompt if isinstance(piece, tuple)]
        ids = [id_ for piece in texts for id_ in piece]
        embedded = iter(backbone.embed(ids).split([len(piece) for piece in texts]))
        return [
            torch.cat(
                [
                    next(embedded) if isinstance(piece, tuple) else piece.to(backbone.device, backbone.dtype)
                    for piece in prompt
                ]
                or [backbone.embed([])]
            )
            for prompt in prompts
        ]


class _Reading:
    """Rows that have been read, or will be on first use, for one copy of them or several."""

    def __init__(self, backbone: Backbone, rows: Sequence[Tensor]) -> None:
        self.num_copies = 1
        self._backbone = backbone
        self._rows = list(rows)
        self._stream: Stream | None = None

    def take(self, rows: Sequence[int]) -> Stream:
        """A stream of these rows, for one of the copies; what is read is read once for all of them."""
        self.num_copies -= 1
        if self._stream is None and self.num_copies == 0:
            return Stream(self._backbone, PromptBatch.left_pad([self._rows[row] for row in rows]))
        if self._stream is None:
            self._stream = Stream(self._backbone, PromptBatch.left_pad(self._rows))
        stream = self._stream.copy() if self.num_copies else self._stream
        if list(rows) != list(range(len(self._rows))):
            stream.keep(list(rows))
        return stream


class _Copy:
    """As many rows as were opened, each with all that has followed its prompt: embeddings [T_i, D]."""

    def __init__(self, backbone: Backbone, rows: Sequence[Tensor], reading: _Reading) -> None:
        self.rows = list(rows)
        self._backbone = backbone
        self._reading: _Reading | None = reading

    def append(self, row: int, embeddings: Tensor) -> None:
        """Input embeddings [T, D] that follow a row; what was read before does not hold them."""
        if self._reading is not None:
            self._reading.num_copies -= 1
            self._reading = None
        self.rows[row] = torch.cat([self.rows[row], embeddings.to(self._backbone.dtype)])

    def read(self, rows: Sequence[int]) -> Stream:
        """A stream of these rows; where they have grown since they were read, a new one."""
        if self._reading is None:
            return Stream(self._backbone, PromptBatch.left_pad([self.rows[row] for row in rows]))
        stream = self._reading.take(rows)
        self._reading = None
        return stream

    def fork(self, copies: int) -> list[_Copy]:
        """So many of it; what is read is read once for all of them."""
        reading = self._reading or _Reading(self._backbone, self.rows)
        reading.num_copies += copies - 1
        return [_Copy(self._backbone, self.rows, reading) for _ in range(copies)]


class LocalSession:
    """Rows as input embeddings; they are read when something is first asked of them.

    The copies of a fork are taken one after another, with as many rows side by side as were forked: so they
    need little more memory than one, and each row runs beside the neighbours that it would have by itself.
    """

    def __init__(self, backbone: Backbone, copies: Sequence[_Copy]) -> None:
        self._backbone = backbone
        self._copies = list(copies)
        self._width = len(copies[0].rows)

    def __len__(self) -> int:
        return self._width * len(self._copies)

    @torch.no_grad()
    def think(self, link: InnerLink, steps: int) -> Thoughts:
        if steps < 0:
            raise ValueError(f"{steps} latent steps are asked for; it has to be 0 or more")
        if steps == 0:
            none = torch.empty(len(self), 0, self._backbone.hidden_size, device=self._backbone.device)
            return Thoughts(none.to(link.dtype))
        every_row = range(self._width)
        rollouts = []
        for copy in self._copies:
            rollouts.append(roll_out(copy.read(every_row), link, steps))
            for row in every_row:
                copy.append(row, rollouts[-1].thoughts[row])
        hidden = torch.cat([rollout.hidden for rollout in rollouts])
        latents = torch.cat([rollout.thoughts for rollout in rollouts])
        return Thoughts(latents, tuple(rows_not_finite(hidden, latents)))

    def fork(self, copies: int) -> LocalSession:
        if copies < 1:
            raise ValueError(f"{copies} copies are asked for; it has to be 1 or more")
        forks = [copy.fork(copies) for copy in self._copies]
        in_order = chain.from_iterable(zip(*forks, strict=True))  # all of them once, then all once more
        return LocalSession(self._backbone, list(in_order))

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
        for number, copy in enumerate(self._copies):
            asked = [request for request in requests if request.row // self._width == number]
            if not asked:
                continue
            places = [request.row % self._width for request in asked]
            for place, request in zip(places, asked, strict=True):
                if request.inserted:
                    copy.append(place, self._backbone.embed(request.inserted))
            finished = decode(
                self._backbone,
                copy.read(places),
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
                copy.append(places[index], self._backbone.embed(ids))
                yield asked[index].row, generated

"""The rows that are written after at the moment: one step, and then the host's turn.

Shapes: B rows.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.base import Resumption
from recursivemas.engine.prefix_cache import Kept, common_length
from recursivemas.engine.reading import Reader, Row
from recursivemas.engine.sampling import Sampler
from recursivemas.engine.stream import Stream
from recursivemas.engine.writing import Writing
from recursivemas.sampling import SamplingSettings


@dataclass(eq=False, kw_only=True)
class WrittenRow(Writing):
    """One row on its way, and what is kept of it."""

    row: Row

    def resume(self, resumption: Resumption) -> None:
        before = self.token_ids()
        super().resume(resumption)
        same = len(self.row) + common_length(before, self.token_ids())
        self.row.kept_length = min(self.row.kept_length, same)

    def said(self) -> list[int]:
        """What the row has written so far, for the repetition penalty."""
        return [*self.request.said, *self.generated().token_ids]

    def keep(self, kept: Kept | None, length: int) -> None:
        """Note that the row's first `length` positions are kept."""
        self.row.kept, self.row.kept_length = kept, length

    def sequence(self, backbone: Backbone) -> Row:
        """All of the row so far."""
        fork, self.row.fork = self.row.fork, None
        embeddings = torch.cat([self.row.embeddings, backbone.embed(self.token_ids())])
        return replace(self.row, embeddings=embeddings, fork=fork)


def read_rows(reader: Reader, rows: Sequence[WrittenRow]) -> Stream:
    """A stream of rows, each with all that has followed it; what it took is noted in them."""
    stream, positions = reader.read([row.sequence(reader.backbone) for row in rows])
    for row, read in zip(rows, positions, strict=True):
        row.read += read
    return stream


class Running(Protocol):
    """Rows that are written after side by side."""

    @property
    def rows(self) -> list[WrittenRow]: ...

    def join(self, new: Sequence[WrittenRow]) -> None:
        """Go on with other rows, too, behind those that run."""

    def choose(self) -> list[list[int]]:
        """One token a row, in the rows' order; or some such lists, each chosen behind the one before.

        What follows in a row after it has ended has no meaning.
        """

    def go_on(self, going: Sequence[int]) -> None:
        """Feed back the last token of these rows, by their numbers. The others leave.

        They may come back, with what they waited for, or to be written after once more: it is kept.
        """


class DynamicRunning:
    """Rows whose cache grows with them; each token is looked at before the next step."""

    _stream: Stream
    _sampler: Sampler
    _tokens: Tensor

    def __init__(self, reader: Reader, sampling: SamplingSettings) -> None:
        self.rows: list[WrittenRow] = []
        self._reader = reader
        self._sampling = sampling

    def join(self, new: Sequence[WrittenRow]) -> None:
        if self.rows and self._stream.can_join:
            self._stream.join(read_rows(self._reader, new))
        else:  # where a cache cannot be joined, the running rows are read anew, too
            self._stream = read_rows(self._reader, [*self.rows, *new])
        self._set_rows([*self.rows, *new])

    def _set_rows(self, rows: list[WrittenRow]) -> None:
        self.rows = rows
        streams: list[random.Random] = [row.request.stream for row in rows]
        self._sampler = Sampler(self._sampling, streams, [row.said() for row in rows])

    def choose(self) -> list[list[int]]:
        self._tokens = self._sampler.choose(self._reader.backbone.logits(self._stream.hidden))  # [B]
        return [self._tokens.tolist()]

    def go_on(self, going: Sequence[int]) -> None:
        stream = self._stream
        if len(going) < len(self.rows):
            for index, row in enumerate(self.rows):
                if index not in going:
                    length = stream.lengths[index]
                    row.keep(self._reader.keep(partial(stream.cut, index, length)), length)
            self._set_rows([self.rows[index] for index in going])
            if going:
                stream.keep(list(going))
                self._tokens = self._tokens[list(going)]
        if going:
            stream.step(self._reader.backbone.embed(self._tokens))

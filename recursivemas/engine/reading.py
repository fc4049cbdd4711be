"""Reading rows, with what is kept of them and of prompts that begin alike: only the rest is computed.

Rests that are read side by side have one length: some positions that are kept are computed again where there
would be padding otherwise. So nothing stands between what a row had and its rest, and sliding windows and
linear attention see it as they would have seen it at once. Where rows can only go on from their ends, those
with rests of other lengths are read apart. On a CPU, where attention is much slower with a mask than without,
every long rest is.

Shapes: B rows, T_i a row's positions, D hidden size.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from operator import itemgetter

import torch
from torch import Tensor
from torch.profiler import record_function

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.base import Positions
from recursivemas.engine.caches import is_known
from recursivemas.engine.prefix_cache import Kept, PrefixCache, Start, TokenIds, common_length
from recursivemas.engine.row_cache import RowCache, open_windows, put_rows
from recursivemas.engine.stream import PromptBatch, Stream

MIN_APART = 128
"""As many positions of one row keep a CPU as busy as those of several rows do."""
MIN_SHARED = 16
"""As many positions are worth a run of the model that reads them once for all rows."""


@dataclass(eq=False)
class Fork:
    """What copies of a row share: whoever is read first leaves its cache to the others."""

    length: int
    """How many positions they have in common."""
    num_unread: int
    kept: Kept | None = None


@dataclass(eq=False)
class Row:
    """What a model is to read, or has read: a prompt, and all that has followed it."""

    embeddings: Tensor
    """[T_i, D]."""
    head: TokenIds = ()
    """The token ids that it begins with, up to its first latents."""
    common: int = 0
    """How many of them many other prompts begin with, too."""
    kept: Kept | None = None
    kept_length: int = 0
    """How many of its positions are kept there."""
    fork: Fork | None = None
    """Until it is read, where it is one of several copies."""

    def __len__(self) -> int:
        return len(self.embeddings)


class Reader:
    """Reads rows with one model; what it keeps goes into `prefix_cache`.

    With `apart`, rows are read one after another where much of them is to be read, without padding or mask.
    """

    def __init__(self, backbone: Backbone, prefix_cache: PrefixCache, *, apart: bool = False) -> None:
        self.backbone = backbone
        self._kept = prefix_cache
        cache = backbone.new_cache()
        self.knows_cache = is_known(cache)
        """Whether rows can be taken out of the model's kind of cache, and put into it."""
        self._groups = _groups_apart if apart and self.knows_cache else _groups
        self._keeps = prefix_cache.max_bytes > 0 and self.knows_cache
        self._has_states = any(hasattr(layer, "conv_states") for layer in cache.layers)

    def read(self, rows: Sequence[Row]) -> tuple[Stream, list[Positions]]:
        """A stream of these rows, and what it took to read each."""
        with record_function("prefill"):
            return self._read(rows)

    def _read(self, rows: Sequence[Row]) -> tuple[Stream, list[Positions]]:
        work = _Work(rows, [self._find(row) for row in rows])
        if self._keeps:
            self._share(work)
        if self._keeps and self._has_states:
            self._stop_at_heads(work)
        stream = self._go_on(work, range(len(rows)), [len(row) for row in rows])
        for index, row in enumerate(rows):
            self._leave_to_copies(row, stream, index)
        return stream, [
            Positions(computed, max(len(row) - computed, 0))
            for computed, row in zip(work.computed, rows, strict=True)
        ]

    def keep(self, cut: Callable[[], RowCache]) -> Kept | None:
        """What a row has read, for when it comes back; `cut` makes a copy of it."""
        return self._kept.keep(cut()) if self._keeps else None

    def _leave_to_copies(self, row: Row, stream: Stream, index: int) -> None:
        fork, row.fork = row.fork, None
        if fork is None:
            return
        fork.num_unread -= 1
        if fork.num_unread == 0:
            fork.kept = None
        elif fork.kept is None and fork.length == len(row) and self.knows_cache:
            fork.kept = Kept(stream.cut(index, len(row)))

    def _find(self, row: Row) -> Start | None:
        """The most that is kept of a row."""
        known = [
            (self._kept.use(row.kept) if row.kept else None, row.kept_length),
            (row.fork.kept.cache, row.fork.length) if row.fork and row.fork.kept else (None, 0),
            self._kept.find_head(self.backbone, row.head) or (None, 0),
        ]
        least = max((length for cache, length in known if cache), default=0)
        if self._keeps and row.common >= max(MIN_SHARED, least + 1):
            known.append((self._read_common(row), row.common))
        starts = [(cache, _usable(cache, length, len(row))) for cache, length in known if cache]
        return max((start for start in starts if start[1]), key=itemgetter(1), default=None)

    def _read_common(self, row: Row) -> RowCache | None:
        """What many prompts begin with, which is always read by itself: it depends on nothing else."""
        ids = row.head[: row.common]

        def read() -> RowCache:
            cache = self.backbone.new_cache()
            with open_windows(cache):
                alone = PromptBatch.left_pad([row.embeddings[: row.common]])
                return Stream(self.backbone, alone, cache).cut(0, row.common)

        return self._kept.common(self.backbone, ids, read)

    def _share(self, work: _Work) -> None:
        """Where rows begin alike, read what they begin with once."""
        first = work.rows[0]
        common = min(min(common_length(first.head, row.head), len(row) - 1) for row in work.rows)
        needy = [index for index in range(len(work.rows)) if work.known(index) <= common - MIN_SHARED]
        if len(needy) < 2:
            return
        shared = _Work([Row(first.embeddings[:common], first.head[:common])], [work.starts[needy[0]]])
        self._go_on(shared, [0], [common])
        work.computed[needy[0]] += shared.computed[0]
        for index in needy:
            work.starts[index] = shared.starts[0]

    def _stop_at_heads(self, work: _Work) -> None:
        """Have a state of every row at the end of its head, to go on from once more."""
        indices = [i for i, row in enumerate(work.rows) if work.known(i) < len(row.head) < len(row)]
        if indices:
            self._go_on(work, indices, [len(work.rows[index].head) for index in indices])

    def _go_on(self, work: _Work, indices: Sequence[int], ends: Sequence[int]) -> Stream:
        """Read these rows of the work up to these ends; the stream has them in the same order."""
        end_of = dict(zip(indices, ends, strict=True))
        streams: list[Stream] = []
        order: list[int] = []
        for group in self._groups(work, end_of):
            streams.append(self._read_group(work, group))
            order += group
        stream = streams[0]
        for other in streams[1:]:
            stream.join(other)
        if order != list(indices):
            stream.keep([order.index(index) for index in indices])
        return stream

    def _read_group(self, work: _Work, group: dict[int, tuple[int, int]]) -> Stream:
        """A stream of rows that are read from so far on up to so far, side by side."""
        cache = self.backbone.new_cache()
        starts = [(work.starts[index], start) for index, (start, _) in group.items()]
        past = [start for _, start in starts]
        rests = [work.rows[index].embeddings[start:end] for index, (start, end) in group.items()]
        with open_windows(cache) if self._keeps or any(past) else nullcontext():
            if any(past):
                put_rows(cache, [(one[0], start) if one and start else None for one, start in starts])
            if not any(map(len, rests)):
                hidden = [one[0].hidden for one, _ in starts if one and one[0].hidden is not None]
                return Stream.resume(self.backbone, cache, past, torch.stack(hidden))
            stream = Stream(self.backbone, PromptBatch.left_pad(rests), cache, past)
            for place, (index, (start, end)) in enumerate(group.items()):
                work.computed[index] += end - start
                self._keep_head(work, index, stream, place)
        return stream

    def _keep_head(self, work: _Work, index: int, stream: Stream, place: int) -> None:
        head, end = work.rows[index].head, stream.lengths[place]
        at_end = len(head) == end
        if not self._keeps or not head or (self._has_states and not at_end):
            return
        if self._kept.has_head(self.backbone, head):
            return
        cache = stream.cut(place, len(head))
        self._kept.keep_head(self.backbone, head, cache)
        work.starts[index] = cache, len(head)


def _usable(cache: RowCache, length: int, num_positions: int) -> int:
    """How many of a row's positions a cache serves that holds so many of them; 0 where it serves none.

    The last one is among them only if its hidden state is known.
    """
    if length >= num_positions and not (cache.length == num_positions and cache.hidden is not None):
        length = num_positions - 1
    return length if cache.serves(length) else 0


class _Work:
    """Rows on their way to being read: where each can start from, and how many positions it has taken."""

    def __init__(self, rows: Sequence[Row], starts: Iterable[Start | None]) -> None:
        self.rows = rows
        self.starts = list(starts)
        self.computed = [0] * len(rows)

    def known(self, index: int) -> int:
        start = self.starts[index]
        return start[1] if start else 0

    def serves(self, index: int, length: int) -> bool:
        start = self.starts[index]
        return start is not None and start[0].serves(length)


def _groups_apart(work: _Work, end_of: dict[int, int]) -> list[dict[int, tuple[int, int]]]:
    """The same as `_groups`, but rows with long rests by themselves."""
    long = {
        index: (work.known(index), end)
        for index, end in end_of.items()
        if end - work.known(index) >= MIN_APART
    }
    short = {index: end for index, end in end_of.items() if index not in long}
    return [*({index: part} for index, part in long.items()), *_groups(work, short)]


def _groups(work: _Work, end_of: dict[int, int]) -> list[dict[int, tuple[int, int]]]:
    """The rows that are read side by side: by row, from where on and up to where."""
    groups = []
    for has_start in (False, True):
        some = {index: end for index, end in end_of.items() if (work.known(index) > 0) == has_start}
        if some:
            groups += _groups_alike(work, some)
    return groups


def _groups_alike(work: _Work, end_of: dict[int, int]) -> list[dict[int, tuple[int, int]]]:
    """The same for rows that all have a start, or none: one group, if all of them can start earlier."""
    rest = max(end - work.known(index) for index, end in end_of.items())
    whole = {index: (max(end - rest, 0), end) for index, end in end_of.items()}
    if all(work.known(index) == 0 or work.serves(index, start) for index, (start, _) in whole.items()):
        return [whole]
    groups: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
    for index, end in end_of.items():
        start = work.known(index)
        groups[end - start][index] = start, end
    return list(groups.values())

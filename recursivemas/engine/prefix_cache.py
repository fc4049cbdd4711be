"""What has been read and is kept, within a budget of bytes, for what begins alike.

Rows come back to it: those that a cue or a tool's result is put behind. So do the beginnings of prompts, up
to where the first latents stand: these are found by their token ids, whichever row has read them. What many
prompts begin with stays longer than the others, in a part of the budget that is its own: so what becomes of
the others does not depend on it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from weakref import ref

from recursivemas.engine.row_cache import RowCache

TokenIds = tuple[int, ...]
Start = tuple[RowCache, int]
"""A row's cache, and how many of its positions count."""


@dataclass(eq=False)
class Kept:
    """A row's cache for as long as there is room for it, and somebody holds this."""

    cache: RowCache | None
    head: tuple[Hashable, TokenIds] | None = None
    """The model and the token ids by which it is found, where it is a prompt's beginning."""


COMMON_SHARE = 1 / 4
"""How much of the budget is for what many prompts begin with."""


class PrefixCache:
    """Keeps row caches of any number of models. What was used least recently gives way; `max_bytes` 0: all.

    `most_bytes` is the most that it has held at a time, `num_evicted` how many row caches have given way.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.most_bytes = 0
        self.num_evicted = 0
        self.common_positions = 0
        """How many positions were read of what many prompts begin with."""
        self._max_common_bytes = int(max_bytes * COMMON_SHARE)
        self._common: dict[tuple[Hashable, TokenIds], RowCache] = {}  # used least recently first
        self._too_large: set[tuple[Hashable, TokenIds]] = set()
        self._bytes = 0
        self._by_use: dict[int, tuple[ref[Kept], int]] = {}  # with its bytes; used least recently first
        self._heads: dict[Hashable, dict[TokenIds, Kept]] = {}
        self._in_order: dict[Hashable, list[TokenIds]] = {}

    def clear(self) -> None:
        """Give up the beginnings of prompts, but those of many; rows go with who holds them."""
        for heads in self._heads.values():
            heads.clear()
        self._in_order.clear()

    def keep(self, cache: RowCache) -> Kept:
        """A row's cache, for who comes back with what this returns."""
        kept = Kept(cache)
        self._count(kept, cache.num_bytes)
        return kept

    def keep_head(self, model: Hashable, ids: TokenIds, cache: RowCache) -> None:
        """The cache of token ids, for who comes with these or with others that begin alike."""
        kept = Kept(cache, (model, ids))
        self._heads.setdefault(model, {})[ids] = kept
        insort(self._in_order.setdefault(model, []), ids)
        self._count(kept, cache.num_bytes)

    def common(self, model: Hashable, ids: TokenIds, read: Callable[[], RowCache]) -> RowCache | None:
        """The cache of token ids that many prompts begin with, as `read` reads it where it is not kept.

        None, whatever else is kept, where there is no room for it even alone.
        """
        key = model, ids
        if key in self._too_large:
            return None
        cache = self._common.pop(key, None)
        if cache is None:
            cache = read()
            self.common_positions += len(ids)
        if cache.num_bytes > self._max_common_bytes:
            self._too_large.add(key)
            return None
        self._common[key] = cache
        while self._common_bytes > self._max_common_bytes:
            del self._common[next(iter(self._common))]
            self.num_evicted += 1
        self._note_bytes()
        return cache

    def figures(self) -> dict[str, int]:
        """What it may hold, the most that it has held at a time, and how many row caches have given way.

        Of what many prompts begin with, what it holds, and how many positions were read.
        """
        return {
            "max_bytes": self.max_bytes,
            "most_bytes": self.most_bytes,
            "evicted": self.num_evicted,
            "instruction_bytes": self._common_bytes,
            "instruction_positions": self.common_positions,
        }

    @property
    def _common_bytes(self) -> int:
        return sum(cache.num_bytes for cache in self._common.values())

    def _note_bytes(self) -> None:
        self.most_bytes = max(self.most_bytes, self._bytes + self._common_bytes)

    def has_head(self, model: Hashable, ids: TokenIds) -> bool:
        return ids in self._heads.get(model, {})

    def use(self, kept: Kept) -> RowCache | None:
        """What is kept, if it still is."""
        if kept.cache is not None:
            self._by_use[id(kept)] = self._by_use.pop(id(kept))
        return kept.cache

    def find_head(self, model: Hashable, ids: TokenIds) -> Start | None:
        """The cache of the longest beginning of `ids` that is kept."""
        heads, found, length = self._heads.get(model, {}), None, 0
        for count in {len(head) for head in heads}:
            if length < count <= len(ids) and ids[:count] in heads:
                found, length = heads[ids[:count]], count
        in_order = self._in_order.get(model, [])
        place = bisect_left(in_order, ids)
        for neighbour in in_order[max(place - 1, 0) : place + 1]:  # none has more in common with it
            common = common_length(neighbour, ids)
            held = heads[neighbour].cache
            if common > length and held is not None and held.serves(common):
                found, length = heads[neighbour], common
        cache = self.use(found) if found else None
        return None if cache is None else (cache, length)

    def _count(self, kept: Kept, size: int) -> None:
        """Others give way to what was put in, or it does itself where it is larger than all may be."""
        number = id(kept)
        self._by_use[number] = ref(kept, lambda _: self._forget(number)), size
        self._bytes += size
        max_bytes = self.max_bytes - self._max_common_bytes
        if size > max_bytes:
            self._evict(kept)
        while self._bytes > max_bytes:
            oldest = next(iter(self._by_use.values()))[0]()
            assert oldest is not None, "what nobody holds is forgotten at once"
            self._evict(oldest)
        self._note_bytes()

    def _evict(self, kept: Kept) -> None:
        self.num_evicted += 1
        kept.cache = None
        self._forget(id(kept))
        if kept.head is not None:
            model, ids = kept.head
            if self._heads.get(model, {}).pop(ids, None) is not None:
                self._in_order[model].remove(ids)

    def _forget(self, number: int) -> None:
        if number in self._by_use:
            self._bytes -= self._by_use.pop(number)[1]


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many items two sequences begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((count for count, (a, b) in pairs if a != b), min(len(one), len(other)))

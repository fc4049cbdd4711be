"""What instructions take of the bytes that are kept, and what they leave to a window."""

from __future__ import annotations

import torch

from recursivemas.engine import PrefixCache
from recursivemas.engine.row_cache import ENDLESS, LayerRow, RowCache

BUDGET = 40


def row(num_bytes: int) -> RowCache:
    """A cache of two positions that takes that much."""
    half = torch.zeros(1, 2, num_bytes // 4, dtype=torch.uint8)
    return RowCache(2, (LayerRow((half, half), ENDLESS, ({}, {})),), None)


def heads_left(kept: PrefixCache) -> list[bool]:
    """Which of four beginnings are still there once all of them were put in."""
    for token in range(4):
        kept.keep_head("model", (token, 0), row(8))
    return [kept.find_head("model", (token, 0)) is not None for token in range(4)]


def test_what_a_window_keeps_does_not_depend_on_instructions():
    without, beside = PrefixCache(BUDGET), PrefixCache(BUDGET)
    beside.common("model", (9, 9), lambda: row(8))
    assert heads_left(without) == heads_left(beside) == [False, True, True, True]
    assert (without.most_bytes, beside.most_bytes) == (24, 32)


def test_instructions_that_were_used_least_recently_give_way_and_are_read_again():
    kept, read = PrefixCache(BUDGET), []

    def use(token: int) -> None:
        kept.common("model", (token, 0), lambda: read.append(token) or row(4))

    for token in (1, 2, 1, 3, 1, 2):  # there is room for two of them
        use(token)
    kept.clear()
    use(2)
    assert read == [1, 2, 3, 2]
    assert kept.figures()["instruction_positions"] == 8
    assert kept.figures()["evicted"] == 2

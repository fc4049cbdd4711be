"""Rows that pause and come back write what they would have written alone, recomputed at every step."""

from __future__ import annotations

import random
from concurrent.futures import Future
from threading import Timer

import pytest
import torch

from recursivemas.engine import (
    Generated,
    PromptBatch,
    Resumption,
    SamplingSettings,
    Segment,
    Stream,
    decode,
    random_stream,
    stream,
)
from tests.support.backbones import BACKBONES, VOCAB_SIZE, tiny_backbone
from tests.support.slow import decode_with_insertions

STOP_IDS = frozenset(range(3, 11))
CALLING_IDS = frozenset(range(11, 80))
LENGTHS = (1, 23, 4, 9, 40, 2, 12, 6)
MAX_NEW_TOKENS = 20
MAX_PAUSES = 3
GREEDY = SamplingSettings(greedy=True).resolve(None)


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


def insertion(written: list[int]) -> list[int]:
    """What follows a call: from 1 to 30 ids that depend on what was written."""
    chance = random.Random(str(written))
    return [chance.randrange(80, VOCAB_SIZE) for _ in range(chance.choice([1, 5, 30]))]


class Scattered:
    """Rows pause at certain tokens, which are replaced; they come back after some steps, `after` None: at once."""

    def __init__(self, after: int | None) -> None:
        self._after = after
        self._steps = 0
        self._due: list[tuple[int, Future[list[int]]]] = []
        self.num_pauses: dict[int, int] = {}
        self.num_waited = 0

    def look(self, row, written):
        if written[-1] not in CALLING_IDS or self.num_pauses.get(row, 0) == MAX_PAUSES:
            return None
        self.num_pauses[row] = self.num_pauses.get(row, 0) + 1
        future: Future[list[int]] = Future()
        future.written = list(written)
        self._due.append((self._steps + (self._after or 0) * (row % 3), future))
        if self._after is None:
            future.set_result(future.written)
        else:  # when all rows wait, there are no steps to come
            timer = Timer(0.02, self._give, [future])
            timer.daemon = True
            timer.start()
        return future

    def tick(self, num_left: int) -> None:
        self._steps += 1
        for due, future in self._due:
            if due <= self._steps:
                self._give(future)

    def _give(self, future):
        if not future.done():
            self.num_waited += 1
            future.set_result(future.written)

    def resume(self, row, written):
        return Resumption((*written[:-1], 12), tuple(insertion(written)))


def insert_slowly():
    """The same pauses for the slow twin: a function of all that follows the prompt."""
    state = {"start": 0, "pauses": 0}

    def insert(sequence):
        written = sequence[state["start"] :]
        if written[-1] not in CALLING_IDS or state["pauses"] == MAX_PAUSES:
            return None
        state["pauses"] += 1
        replaced = [*sequence[:-1], 12, *insertion(written)]
        state["start"] = len(replaced)
        return replaced

    return insert


def prompts_for(backbone):
    chance = random.Random(7)
    return [backbone.embed([chance.randrange(11, VOCAB_SIZE) for _ in range(length)]) for length in LENGTHS]


def decode_rows(backbone, prompts, rows, pauses, settings=GREEDY) -> list[Generated]:
    return decode(
        backbone,
        PromptBatch.left_pad([prompts[row] for row in rows]),
        streams=[random_stream(42, str(row)) for row in rows],
        settings=settings,
        max_new_tokens=MAX_NEW_TOKENS,
        stop_ids=STOP_IDS,
        pauses=pauses,
        on_step=pauses.tick,
    )


def sequence(generated: Generated) -> list[int]:
    return [id_ for segment in generated.segments for id_ in segment.token_ids]


@pytest.mark.parametrize("after", [None, 2, 5])
@pytest.mark.parametrize("name", BACKBONES)
def test_rows_that_pause_write_what_the_slow_twin_writes(name, after):
    backbone = tiny_backbone(name)
    prompts = prompts_for(backbone)
    pauses = Scattered(after)
    fast = decode_rows(backbone, prompts, range(len(prompts)), pauses)
    slow = [
        decode_with_insertions(backbone, prompt, MAX_NEW_TOKENS, STOP_IDS, insert_slowly())
        for prompt in prompts
    ]
    assert [sequence(row) for row in fast] == slow
    assert sum(pauses.num_pauses.values()) > 5, "too few rows paused to show anything"
    assert after is None or pauses.num_waited > 5


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("name", BACKBONES)
def test_what_a_row_writes_does_not_depend_on_who_pauses_beside_it(name, greedy):
    backbone = tiny_backbone(name)
    prompts = prompts_for(backbone)
    settings = SamplingSettings(greedy=greedy, temperature=1.0, repetition_penalty=1.2).resolve(None)
    together = decode_rows(backbone, prompts, range(8), Scattered(3), settings)
    alone = [decode_rows(backbone, prompts, [row], Scattered(None), settings)[0] for row in range(8)]
    assert together == alone
    order = [5, 0, 3, 6, 1, 7, 4, 2]
    shuffled = decode_rows(backbone, prompts, order, Scattered(1), settings)
    assert shuffled == [together[row] for row in order]


def test_a_cache_that_cannot_be_joined_is_made_anew(monkeypatch):
    def refuse(*caches):
        raise NotImplementedError("no such cache")

    backbone = tiny_backbone("qwen3")
    prompts = prompts_for(backbone)
    joined = decode_rows(backbone, prompts, range(8), Scattered(3))
    monkeypatch.setattr(stream, "join_caches", refuse)
    assert decode_rows(backbone, prompts, range(8), Scattered(3)) == joined


def test_an_unknown_kind_of_cache_is_refused_before_anything_is_joined():
    class Strange:
        pass

    backbone = tiny_backbone("qwen3")
    one, other = (Stream(backbone, PromptBatch.left_pad([backbone.embed(ids)])) for ids in ([5, 6], [7]))
    one._cache.layers[-1] = Strange()
    keys = one._cache.layers[0].keys
    with pytest.raises(NotImplementedError, match="caches of Strange"):
        one.join(other)
    assert one._cache.layers[0].keys is keys


class Once:
    """One pause after the second token, which says that the row ends, or gives an error."""

    def __init__(self, outcome):
        self.outcome = outcome

    def look(self, row, written):
        if row == 1 and len(written) == 2:
            future: Future[object] = Future()
            if isinstance(self.outcome, Exception):
                future.set_exception(self.outcome)
            else:
                future.set_result(self.outcome)
            return future
        return None

    def resume(self, row, outcome):
        return outcome

    def tick(self, num_left):
        pass


def test_a_pause_may_end_its_row():
    backbone = tiny_backbone("qwen2")
    prompts = prompts_for(backbone)
    end = Resumption((50,), (60, 61), ended_by="calls")
    rows = decode_rows(backbone, prompts, range(8), Once(end))
    segments = (Segment((50,)), Segment((60, 61), written=False), Segment(()))
    assert rows[1] == Generated(segments, num_sampled=2, ended_by="calls")
    assert rows[1].token_ids == (50,)
    assert rows[0] == decode_rows(backbone, prompts, [0], Once(end))[0]


def test_what_a_pause_raises_is_raised():
    backbone = tiny_backbone("qwen2")
    with pytest.raises(RuntimeError, match="a defect"):
        decode_rows(backbone, prompts_for(backbone), range(8), Once(RuntimeError("a defect")))


def test_the_last_token_that_may_be_written_gives_no_pause():
    looked: list[int] = []

    class Look(Once):
        def look(self, row, written):
            looked.append(len(written))

    backbone = tiny_backbone("qwen2")
    rows = decode_rows(backbone, prompts_for(backbone), [4], Look(None))
    assert rows[0].ended_by == "length"
    assert looked == list(range(1, MAX_NEW_TOKENS))

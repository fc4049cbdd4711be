"""Rows that pause and come back write what they would have written alone, recomputed at every step."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
import torch

from recursivemas.engine import Generated, Resumption, SamplingSettings, Segment, caches
from recursivemas.engine.stream import PromptBatch, Stream
from tests.support.backbones import BACKBONES, tiny_backbone, tiny_engine, tiny_model
from tests.support.pauses import (
    CALLING_IDS,
    MAX_NEW_TOKENS,
    MAX_PAUSES,
    STOP_IDS,
    Scattered,
    insertion,
    prompts_for,
    write_rows,
)
from tests.support.slow import SlowModel, decode_with_insertions

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


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


def sequence(generated: Generated) -> list[int]:
    return [id_ for segment in generated.segments for id_ in segment.token_ids]


@pytest.mark.parametrize("after", [None, 2, 5])
@pytest.mark.parametrize("name", BACKBONES)
def test_rows_that_pause_write_what_the_slow_twin_writes(name, after):
    engine, model = tiny_engine(name), SlowModel(tiny_model(name))
    prompts = prompts_for()
    pauses = Scattered(after)
    fast = write_rows(engine, prompts, range(len(prompts)), pauses)
    slow = [
        decode_with_insertions(model, model.embed(ids), MAX_NEW_TOKENS, STOP_IDS, insert_slowly())
        for [ids] in prompts
    ]
    assert [sequence(row) for row in fast] == slow
    assert sum(pauses.num_pauses.values()) > 5, "too few rows paused to show anything"
    assert after is None or pauses.num_waited > 5


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("name", BACKBONES)
def test_what_a_row_writes_does_not_depend_on_who_pauses_beside_it(name, greedy):
    engine = tiny_engine(name)
    prompts = prompts_for()
    settings = SamplingSettings(greedy=greedy, temperature=1.0, repetition_penalty=1.2).resolve(None)
    together = write_rows(engine, prompts, range(8), Scattered(3), settings)
    alone = [write_rows(engine, prompts, [row], Scattered(None), settings)[0] for row in range(8)]
    assert together == alone
    order = [5, 0, 3, 6, 1, 7, 4, 2]
    shuffled = write_rows(engine, prompts, order, Scattered(1), settings)
    assert shuffled == [together[row] for row in order]


def test_a_cache_that_cannot_be_joined_is_made_anew(monkeypatch):
    engine = tiny_engine("qwen3")
    prompts = prompts_for()
    joined = write_rows(engine, prompts, range(8), Scattered(3))
    monkeypatch.setattr(caches, "KNOWN", set())
    monkeypatch.setattr(Stream, "join", lambda *streams: pytest.fail("the caches were joined"))
    assert write_rows(engine, prompts, range(8), Scattered(3)) == joined


@pytest.mark.parametrize("name", BACKBONES)
def test_padding_that_nobody_needs_any_more_is_dropped(name):
    """Three rows come and go: what is left is as long as the longest of those that go on."""
    backbone = tiny_backbone(name)
    seen: list[torch.Size] = []  # rows and positions that the model attends to, at each call
    backbone.model.get_decoder().register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["attention_mask"].shape), with_kwargs=True
    )
    ids = [list(range(20, 20 + length)) for length in (40, 3, 12)]
    stream = Stream(backbone, PromptBatch.left_pad([backbone.embed(row) for row in ids]))
    stream.keep([1, 2])
    stream.step(backbone.embed([30, 30]))
    assert seen[-1] == (2, 13)
    stream.join(Stream(backbone, PromptBatch.left_pad([backbone.embed(ids[0])])))
    stream.step(backbone.embed([31, 31, 31]))
    assert seen[-1] == (3, 41)
    stream.keep([0])
    alone = Stream(backbone, PromptBatch.left_pad([backbone.embed([*ids[1], 30, 31])]))
    for token in range(32, 45):
        for one in (stream, alone):
            one.step(backbone.embed([token]))
            assert seen[-1] == (1, token - 26)
    assert ((stream.hidden - alone.hidden).norm() / alone.hidden.norm()).item() < 1e-9


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
    engine = tiny_engine("qwen2")
    prompts = prompts_for()
    end = Resumption((50,), (60, 61), ended_by="calls")
    rows = write_rows(engine, prompts, range(8), Once(end))
    segments = (Segment((50,)), Segment((60, 61), written=False), Segment(()))
    assert rows[1] == Generated(segments, num_sampled=2, ended_by="calls")
    assert rows[1].token_ids == (50,)
    assert rows[0] == write_rows(engine, prompts, [0], Once(end))[0]


def test_what_a_pause_raises_is_raised():
    engine = tiny_engine("qwen2")
    with pytest.raises(RuntimeError, match="a defect"):
        write_rows(engine, prompts_for(), range(8), Once(RuntimeError("a defect")))


def test_the_last_token_that_may_be_written_gives_no_pause():
    looked: list[int] = []

    class Look(Once):
        def look(self, row, written):
            looked.append(len(written))

    engine = tiny_engine("qwen2")
    rows = write_rows(engine, prompts_for(), [4], Look(None))
    assert rows[0].ended_by == "length"
    assert looked == list(range(1, MAX_NEW_TOKENS))

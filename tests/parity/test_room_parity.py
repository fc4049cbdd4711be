"""Rows that wait until there is room write what they would have written beside all others, and none idles."""

from __future__ import annotations

import pytest
import torch

from recursivemas.engine import SamplingSettings, WriteRequest, caches, random_stream
from tests.support.backbones import BACKBONES, tiny_engine, tiny_inner_link
from tests.support.pauses import MAX_NEW_TOKENS, Scattered, prompts_for, write_rows
from tests.support.sessions import GREEDY, write

pytestmark = [pytest.mark.usefixtures("no_grad"), pytest.mark.slow]

SAMPLED = SamplingSettings(temperature=1.0, repetition_penalty=1.2).resolve(None)


@pytest.fixture
def no_grad():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("name", BACKBONES)
def test_texts_do_not_depend_on_how_many_rows_there_is_room_for(name, greedy):
    engine = tiny_engine(name)
    options = {
        "max_new_tokens": MAX_NEW_TOKENS,
        "stop_ids": range(2, 60),  # many, so that rows end at different steps
        "sampling": GREEDY if greedy else SAMPLED,
    }
    together = write(engine, prompts_for(), **options)
    assert len({len(row.token_ids) for row in together}) > 1
    for engine.max_rows in (3, 1):
        assert write(engine, prompts_for(), **options) == together


@pytest.mark.parametrize("name", ["qwen3", "gemma3_text", "qwen3_5"])
def test_rows_that_pause_keep_their_places(name):
    engine = tiny_engine(name)
    together = write_rows(engine, prompts_for(), range(8), Scattered(2), SAMPLED)
    engine.max_rows = 3
    seen = rows_side_by_side(engine)
    assert write_rows(engine, prompts_for(), range(8), Scattered(2), SAMPLED) == together
    assert max(seen) == 3


@pytest.mark.parametrize("name", ["qwen3", "qwen3_5"])
def test_thoughts_do_not_depend_on_how_many_rows_there_is_room_for(name):
    engine = tiny_engine(name)
    link = tiny_inner_link(engine)
    together = engine.open(prompts_for()).think(link, 4).latents
    engine.max_rows = 3
    seen = rows_side_by_side(engine)
    apart = engine.open(prompts_for()).think(link, 4).latents
    assert ((together - apart).norm() / together.norm()).item() < 1e-9
    assert max(seen) == 3


def test_where_caches_cannot_be_joined_the_next_rows_wait_for_all_before(monkeypatch):
    engine = tiny_engine("qwen2")
    options = {"max_new_tokens": MAX_NEW_TOKENS, "stop_ids": range(2, 60)}
    together = write(engine, prompts_for(), **options)
    monkeypatch.setattr(caches, "KNOWN", set())
    engine.max_rows = 3
    seen = rows_side_by_side(engine)
    assert write(engine, prompts_for(), **options) == together
    assert max(seen) == 3


def rows_side_by_side(engine) -> list[int]:
    """How many rows each run of the model has."""
    seen: list[int] = []
    engine.model.get_decoder().register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["inputs_embeds"].shape[0]), with_kwargs=True
    )
    return seen


def test_no_row_idles_where_lengths_have_a_long_tail():
    """32 rows of 2 to 64 tokens, 8 side by side, in any order; copies of a fork are rows like others."""
    engine = tiny_engine("qwen3", torch.float32)
    lengths = [round(2 * 32 ** (row / 31)) for row in range(32)]
    for order in (lengths, lengths[::-1], [lengths[7 * row % 32] for row in range(32)]):
        engine.max_rows = 8
        for session in (engine.open([[(5, 6)]] * 32), engine.open([[(5, 6)]] * 8).fork(4)):
            requests = [
                WriteRequest(row=row, stream=random_stream(0, "q"), max_new_tokens=length)
                for row, length in enumerate(order)
            ]
            steps: list[int] = []
            written = dict(session.write(requests, sampling=GREEDY, stop_ids=(), on_step=steps.append))
            assert [len(written[row].token_ids) for row in range(32)] == order
            assert len(steps) <= 1.15 * sum(lengths) / 8
            assert steps[0] == 32
            assert steps[-1] == 0

"""Steps on a static cache come to what steps on a growing one come to, on every backbone."""

from __future__ import annotations

import pytest
import torch

from recursivemas.engine import (
    LocalEngine,
    PrefixCache,
    SamplingSettings,
    WriteRequest,
    random_stream,
    reuse_prefixes,
    static_rows,
    static_running,
)
from tests.support.backbones import BACKBONES, tiny_engine, tiny_inner_link
from tests.support.pauses import Scattered, prompts_for, write_rows
from tests.support.sessions import GREEDY

pytestmark = pytest.mark.usefixtures("no_grad", "little_room")

SAMPLED = SamplingSettings(temperature=1.0, repetition_penalty=1.2).resolve(None)


@pytest.fixture
def no_grad():
    with torch.no_grad():
        yield


@pytest.fixture
def little_room(monkeypatch):
    """Rows outgrow what was made for them, and blocks are shorter than texts."""
    monkeypatch.setattr(static_rows, "MIN_LENGTH", 8)
    monkeypatch.setattr(static_running, "BLOCK", 3)


def both(name: str) -> tuple[LocalEngine, LocalEngine]:
    """An engine whose steps are static, and one whose cache grows."""
    static, dynamic = (tiny_engine(name, static_cache=mode) for mode in ("on", "off"))
    static.static_pool.prepare = tried_before
    return static, dynamic


def tried_before(step):
    """As capturing does, which runs a step for a trial."""
    step()
    step()
    return step


@pytest.mark.parametrize("name", BACKBONES)
def test_thoughts_are_the_same(name):
    thoughts = []
    for engine in both(name):
        link = tiny_inner_link(engine)
        engine.max_rows = 5
        thoughts.append([engine.open(prompts_for()).think(link, steps).latents for steps in (12, 1, 2)])
    for static, dynamic in zip(*thoughts, strict=True):
        assert ((static - dynamic).norm(dim=-1) / dynamic.norm(dim=-1)).max() < 1e-9


def write_and_retry(engine, copies, sampling, stop_ids, most_tokens):
    """What rows of a fork write, then behind a cue, and their next random numbers."""
    session = engine.open(prompts_for()[: 8 // copies]).fork(copies)
    streams = [random_stream(42, str(row)) for row in range(8)]
    said, texts = {}, []
    for cue, longest in (((), 24), ((40, 41, 42), 8)):
        requests = [
            WriteRequest(
                row=row,
                stream=streams[row],
                max_new_tokens=min(most_tokens[row], longest),
                inserted=cue,
                said=said.get(row, ()),
            )
            for row in range(8)
        ]
        written = dict(session.write(requests, sampling=sampling, stop_ids=stop_ids))
        said = {row: generated.token_ids for row, generated in written.items()}
        texts.append([written[row] for row in range(8)])
    return texts, [stream.random() for stream in streams]


CASES = {
    "greedy, rows take turns": (3, 2, GREEDY, range(2, 60), [24] * 8),
    "sampled, fewer and fewer are left": (8, 1, SAMPLED, range(2, 16), [3, 24, 7, 12, 1, 18, 5, 10]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", BACKBONES)
def test_texts_are_the_same_behind_a_cue_too(name, case):
    width, *how = CASES[case]
    results = []
    for engine in both(name):
        engine.max_rows = width
        with reuse_prefixes([engine], PrefixCache(1 << 30)):
            results.append(write_and_retry(engine, *how))
    (texts, after), (expected, expected_after) = results
    assert texts == expected
    assert after == expected_after
    assert "stop" in {row.ended_by for row in expected[0]}
    assert all(row.read.computed <= 4 for row in texts[1]), "what was written is kept"


@pytest.mark.parametrize("name", BACKBONES)
def test_rows_that_pause_come_back(name):
    static, dynamic = (
        write_rows(engine, prompts_for(), range(8), Scattered(None), SAMPLED) for engine in both(name)
    )
    assert static == dynamic

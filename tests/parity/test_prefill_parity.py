"""Rows that are read one after another stand for rows that are read side by side, on every backbone."""

from __future__ import annotations

import pytest
import torch

from recursivemas import load_mas_system
from recursivemas.engine import PrefixCache, SamplingSettings, reading, reuse_prefixes
from recursivemas.engine.stream import PromptBatch
from tests.support.backbones import BACKBONES, VOCAB_SIZE, tiny_engine, tiny_inner_link
from tests.support.sessions import GREEDY, write

LENGTHS = (23, 3, 17, 9)
LONG = 8
SAMPLED = SamplingSettings(temperature=1.0).resolve(None)


@pytest.fixture(autouse=True)
def short_rows_are_long(monkeypatch):
    monkeypatch.setattr(reading, "MIN_APART", LONG)


@pytest.fixture
def batches(monkeypatch) -> list[tuple[int, ...]]:
    """The lengths that were read side by side, in order."""
    read: list[tuple[int, ...]] = []
    left_pad = PromptBatch.left_pad

    def note(prompts):
        read.append(tuple(map(len, prompts)))
        return left_pad(prompts)

    monkeypatch.setattr(PromptBatch, "left_pad", note)
    return read


def prompts_of(instructions: int = 0):
    chance = torch.Generator().manual_seed(1)
    ids = [torch.randint(3, VOCAB_SIZE, (length,), generator=chance).tolist() for length in LENGTHS]
    return [[(*range(30, 30 + instructions), *one)] for one in ids]


@pytest.mark.parametrize("kept", [0, 1 << 30])
@pytest.mark.parametrize("name", BACKBONES)
def test_rows_read_apart_think_and_write_the_same(name, kept):
    told = []
    for prefill in ("padded", "apart"):
        engine = tiny_engine(name)
        engine.prefill = prefill
        with reuse_prefixes([engine], PrefixCache(kept)):
            thoughts = [
                engine.open(prompts_of(instructions)).think(tiny_inner_link(engine), 3).latents
                for instructions in (0, 20)
            ]
            texts = [
                write(engine, prompts_of(20), max_new_tokens=5, sampling=sampling)
                for sampling in (GREEDY, SAMPLED)
            ]
        told.append((thoughts, texts))
    for one, other in zip(told[0][0], told[1][0], strict=True):
        assert ((one - other).norm() / one.norm()).item() < 1e-9
    assert told[0][1] == told[1][1]


@pytest.mark.parametrize(
    ("prefill", "read"),
    [("padded", [LENGTHS]), ("apart", [(23,), (17,), (9,), (3,)]), ("auto", [(23,), (17,), (9,), (3,)])],
)
def test_long_rows_are_read_without_padding_on_a_cpu(batches, prefill, read):
    engine = tiny_engine("qwen3")
    engine.prefill = prefill
    engine.open(prompts_of()).think(tiny_inner_link(engine), 1)
    assert batches == read


def test_a_row_that_is_read_apart_has_no_neighbours(batches):
    """In any precision: what is computed for it depends on nothing else."""
    engine = tiny_engine("qwen3", torch.float32)
    link = tiny_inner_link(engine)
    long = [one for one in prompts_of() if len(one[0]) >= LONG]
    together = engine.open(long).think(link, 1).latents
    alone = [engine.open([one]).think(link, 1).latents for one in long]
    assert torch.allclose(together, torch.cat(alone), rtol=1e-5)
    assert batches == [(23,), (17,), (9,)] * 2


@pytest.mark.process
def test_a_system_reads_as_it_is_asked_to(toy_release):
    with load_mas_system("distillation", device="cpu", release=toy_release, prefill="padded") as system:
        assert {agent.engine.prefill for agent in system.agents.values()} == {"padded"}

"""The engine's edges: empty thoughts, empty prompts, bad lengths, what a batch holds."""

from __future__ import annotations

import pytest
import torch

from recursivemas.engine import WriteRequest, random_stream
from recursivemas.engine.stream import PromptBatch
from tests.support.backbones import tiny_engine, tiny_inner_link
from tests.support.sessions import GREEDY, write


@pytest.fixture
def engine():
    return tiny_engine("qwen2", torch.float32)


@pytest.fixture
def lengths(engine):
    """How many new positions each run of the model had."""
    lengths: list[int] = []
    engine.model.get_decoder().register_forward_pre_hook(
        lambda _, args, kwargs: lengths.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    return lengths


def test_left_padding_puts_zeros_and_mask_in_front():
    batch = PromptBatch.left_pad([torch.ones(2, 3), torch.full((4, 3), 2.0)])
    assert batch.mask.tolist() == [[0, 0, 1, 1], [1, 1, 1, 1]]
    assert batch.embeddings[0, :2].abs().sum() == 0
    assert torch.equal(batch.embeddings[0, 2:], torch.ones(2, 3))
    assert torch.equal(batch.embeddings[1], torch.full((4, 3), 2.0))


@pytest.mark.parametrize("prompts", [[], [[(5, 6)], []], [[()]]])
def test_an_empty_prompt_is_refused(engine, prompts):
    with pytest.raises(ValueError, match="each needs at least one position"):
        engine.open(prompts)


def test_no_latent_steps_give_empty_thoughts_and_run_nothing(engine, lengths):
    thoughts = engine.open([[(5, 6)]]).think(tiny_inner_link(engine), 0)
    assert thoughts.latents.shape == (1, 0, engine.hidden_size)
    assert thoughts.failed == ()
    assert lengths == []


def test_the_last_thought_is_not_fed_back(engine, lengths):
    engine.open([[(5, 6, 7)]]).think(tiny_inner_link(engine), 4)
    assert lengths == [3, 1, 1, 1]


def test_thoughts_have_the_links_dtype(engine):
    for steps in (0, 2):
        thoughts = engine.open([[(5, 6)]]).think(tiny_inner_link(engine, torch.float64), steps)
        assert thoughts.latents.dtype == torch.float64


def test_numbers_out_of_range_are_refused(engine):
    session = engine.open([[(5,)]])
    with pytest.raises(ValueError, match="-1 latent steps"):
        session.think(tiny_inner_link(engine), -1)
    with pytest.raises(ValueError, match="0 copies"):
        session.fork(0)
    request = WriteRequest(row=0, stream=random_stream(0, "q"), max_new_tokens=0)
    with pytest.raises(ValueError, match="max_new_tokens is 0"):
        list(session.write([request], sampling=GREEDY, stop_ids=()))


def test_rows_that_nobody_asks_for_are_not_read(engine, lengths):
    session = engine.open([[(5,) * 40], [(6,) * 3]])
    request = WriteRequest(row=1, stream=random_stream(0, "q"), max_new_tokens=1)
    assert [row for row, _ in session.write([request], sampling=GREEDY, stop_ids=())] == [1]
    assert lengths == [3]


def test_rows_are_yielded_as_they_finish(engine):
    session = engine.open([[(token,)] for token in (5, 6, 7)])
    requests = [
        WriteRequest(row=row, stream=random_stream(0, "q"), max_new_tokens=count)
        for row, count in enumerate((5, 1, 3))
    ]
    assert [row for row, _ in session.write(requests, sampling=GREEDY, stop_ids=())] == [1, 2, 0]


def test_writing_tells_how_many_rows_still_run(engine):
    running: list[int] = []
    rows = write(
        engine,
        [[(token,)] for token in (5, 6, 7)],
        names=["q"] * 3,
        max_new_tokens=6,
        stop_ids=range(0, 200, 7),
        on_step=running.append,
    )
    steps = [len(row.token_ids) + (row.ended_by == "stop") for row in rows]
    assert running == [sum(count > step for count in steps) for step in range(1, max(steps) + 1)]

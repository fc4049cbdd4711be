"""The engine's edges: empty thoughts, empty prompts, bad lengths, what a batch holds."""

from __future__ import annotations

import pytest
import torch

from recursivemas.engine import PromptBatch, SamplingSettings, decode, random_stream, roll_out
from tests.support.backbones import tiny_backbone, tiny_inner_link

GREEDY = SamplingSettings(greedy=True).resolve(None)


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone("qwen2", torch.float32)


def test_left_padding_puts_zeros_and_mask_in_front():
    batch = PromptBatch.left_pad([torch.ones(2, 3), torch.full((4, 3), 2.0)])
    assert batch.mask.tolist() == [[0, 0, 1, 1], [1, 1, 1, 1]]
    assert batch.embeddings[0, :2].abs().sum() == 0
    assert torch.equal(batch.row(0), torch.ones(2, 3))
    assert torch.equal(batch.row(1), torch.full((4, 3), 2.0))
    assert batch.lengths == [2, 4]


@pytest.mark.parametrize("prompts", [[], [torch.ones(2, 3), torch.ones(0, 3)]])
def test_an_empty_prompt_is_refused(prompts):
    with pytest.raises(ValueError, match="each needs at least one position"):
        PromptBatch.left_pad(prompts)


def test_no_latent_steps_give_empty_thoughts_and_run_nothing(backbone, monkeypatch):
    link = tiny_inner_link(backbone)
    prompts = PromptBatch.left_pad([backbone.embed([5, 6])])
    monkeypatch.setattr(backbone, "hidden", lambda *args: pytest.fail("the model was run"))
    rollout = roll_out(backbone, link, prompts, 0)
    assert rollout.thoughts.shape == rollout.hidden.shape == (1, 0, backbone.hidden_size)


def test_the_last_thought_is_not_fed_back(backbone, monkeypatch):
    link = tiny_inner_link(backbone)
    prompts = PromptBatch.left_pad([backbone.embed([5, 6, 7])])
    lengths = []
    hidden = backbone.hidden
    monkeypatch.setattr(
        backbone,
        "hidden",
        lambda embeddings, *rest: lengths.append(embeddings.shape[1]) or hidden(embeddings, *rest),
    )
    roll_out(backbone, link, prompts, 4)
    assert lengths == [3, 1, 1, 1]


def test_thoughts_have_the_links_dtype(backbone):
    link = tiny_inner_link(backbone, torch.float64)
    rollout = roll_out(backbone, link, PromptBatch.left_pad([backbone.embed([5, 6])]), 2)
    assert rollout.hidden.dtype == torch.float32
    assert rollout.thoughts.dtype == torch.float64


def test_lengths_out_of_range_are_refused(backbone):
    prompts = PromptBatch.left_pad([backbone.embed([5])])
    with pytest.raises(ValueError, match="latent_length is -1"):
        roll_out(backbone, tiny_inner_link(backbone), prompts, -1)
    with pytest.raises(ValueError, match="max_new_tokens is 0"):
        decode(
            backbone, prompts, streams=[random_stream(0, "q")], settings=GREEDY, max_new_tokens=0, stop_ids=()
        )


def test_decoding_tells_how_many_rows_still_run(backbone):
    prompts = PromptBatch.left_pad([backbone.embed([token]) for token in (5, 6, 7)])
    running: list[int] = []
    rows = decode(
        backbone,
        prompts,
        streams=[random_stream(0, "q")] * 3,
        settings=GREEDY,
        max_new_tokens=6,
        stop_ids=range(0, 200, 7),
        on_step=running.append,
    )
    lengths = [len(row.token_ids) + (row.ended_by == "stop") for row in rows]
    assert running == [sum(steps > step for steps in lengths) for step in range(1, max(lengths) + 1)]

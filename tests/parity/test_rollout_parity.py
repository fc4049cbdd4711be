"""The cached rollout and decoding against their twins that recompute everything, on every backbone."""

from __future__ import annotations

import pytest
import torch

from recursivemas.engine import (
    Backbone,
    Generated,
    PromptBatch,
    SamplingSettings,
    decode,
    random_stream,
    roll_out,
)
from tests.support.backbones import BACKBONES, VOCAB_SIZE, tiny_backbone, tiny_inner_link
from tests.support.slow import decode_slowly, roll_out_slowly

LENGTHS = (
    19,
    3,
    70,
    11,
    1,
    33,
    64,
)  # unequal, one beyond the linear attention's chunk, one a single position
STOP_IDS = set(range(2, 12))  # many, so that rows end at different steps

pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.fixture
def no_grad():
    with torch.no_grad():
        yield


def prompts_for(backbone: Backbone, lengths=LENGTHS) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [backbone.embed(torch.randint(0, VOCAB_SIZE, (n,), generator=generator)) for n in lengths]


def relative_difference(fast: torch.Tensor, slow: torch.Tensor) -> float:
    return ((fast - slow).norm() / slow.norm()).item()


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize(
    ("dtype", "latent_length", "tolerance"), [(torch.float64, 12, 1e-9), (torch.float32, 4, 1e-4)]
)
def test_cached_rollout_is_the_recomputed_one(name, dtype, latent_length, tolerance):
    backbone = tiny_backbone(name, dtype)
    link = tiny_inner_link(backbone)
    prompts = prompts_for(backbone)
    rollout = roll_out(backbone, link, PromptBatch.left_pad(prompts), latent_length)
    for row, prompt in enumerate(prompts):
        slow = roll_out_slowly(backbone, link, prompt, latent_length)
        assert relative_difference(rollout.hidden[row], slow) < tolerance
        assert relative_difference(rollout.thoughts[row], link(slow)) < tolerance


@pytest.mark.parametrize("name", BACKBONES)
def test_a_row_alone_is_the_row_beside_longer_ones(name):
    backbone = tiny_backbone(name)
    link = tiny_inner_link(backbone)
    prompts = prompts_for(backbone)
    together = roll_out(backbone, link, PromptBatch.left_pad(prompts), 6).hidden
    for row, prompt in enumerate(prompts):
        alone = roll_out(backbone, link, PromptBatch.left_pad([prompt]), 6).hidden[0]
        assert relative_difference(together[row], alone) < 1e-9


@pytest.mark.parametrize("name", BACKBONES)
def test_greedy_decoding_is_the_recomputed_one(name):
    backbone = tiny_backbone(name)
    prompts = prompts_for(backbone)
    settings = SamplingSettings(greedy=True).resolve(None)
    fast = decode_batch(backbone, prompts, settings)
    slow = [decode_slowly(backbone, prompt, 24, STOP_IDS) for prompt in prompts]
    assert [list(row.token_ids) for row in fast] == slow
    assert [row.ended_by for row in fast] == ["stop" if len(ids) < 24 else "length" for ids in slow]


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("greedy", [True, False])
def test_text_does_not_depend_on_the_batch(name, greedy):
    backbone = tiny_backbone(name)
    prompts = prompts_for(backbone)
    settings = SamplingSettings(greedy=greedy, temperature=1.0, repetition_penalty=1.3, min_p=0.01).resolve(
        None
    )
    together = decode_batch(backbone, prompts, settings)
    assert len({len(row.token_ids) for row in together}) > 2, "rows should end at different steps"
    alone = [decode_batch(backbone, [prompt], settings, [row])[0] for row, prompt in enumerate(prompts)]
    assert together == alone
    order = [5, 0, 3, 6, 1, 4, 2]
    shuffled = decode_batch(backbone, [prompts[row] for row in order], settings, order)
    assert shuffled == [together[row] for row in order]


def decode_batch(backbone, prompts, settings, ids=None) -> list[Generated]:
    ids = range(len(prompts)) if ids is None else ids
    return decode(
        backbone,
        PromptBatch.left_pad(prompts),
        streams=[random_stream(42, str(id_)) for id_ in ids],
        settings=settings,
        max_new_tokens=24,
        stop_ids=STOP_IDS,
    )

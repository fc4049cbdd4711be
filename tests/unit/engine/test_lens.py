"""Tokens of hidden states and latents, against whole tables at once, on every backbone."""

from __future__ import annotations

import pytest
import torch

from recursivemas.engine import lens
from recursivemas.engine.backbone import Backbone
from recursivemas.engine.lens import likeliest_tokens, nearest_tokens
from tests.support.backbones import BACKBONES, VOCAB_SIZE, tiny_model

KNOWN = VOCAB_SIZE - 11


@pytest.fixture(params=BACKBONES)
def backbone(request) -> Backbone:
    return Backbone(tiny_model(request.param))


@pytest.fixture
def positions(backbone):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(7, backbone.hidden_size, dtype=torch.float64, generator=generator)


@pytest.fixture(autouse=True)
def in_small_parts(monkeypatch):
    """Several parts of rows and of the vocabulary, the last ones not full."""
    monkeypatch.setattr(lens, "MAX_SCORES", 3 * KNOWN)
    monkeypatch.setattr(lens, "TOKENS_AT_ONCE", 64)


def test_the_likeliest_are_those_of_the_whole_distribution(backbone, positions):
    ids, values = likeliest_tokens(backbone, positions, 4, KNOWN)
    logits = backbone.model.get_output_embeddings()(positions)
    whole = (logits - logits.logsumexp(dim=-1, keepdim=True)).exp()
    expected = whole[:, :KNOWN].sort(dim=-1, descending=True)
    assert torch.equal(ids, expected.indices[:, :4])
    torch.testing.assert_close(values, expected.values[:, :4], rtol=1e-12, atol=0)


def test_the_nearest_are_those_of_all_input_embeddings(backbone, positions):
    table = backbone.embed(list(range(KNOWN)))  # as the model reads them: scaled, where it scales them
    positions[2] = 3 * table[5]
    ids, values = nearest_tokens(backbone, positions, 4, KNOWN)
    cosines = (positions @ table.T) / positions.norm(dim=1)[:, None] / table.norm(dim=1)
    expected = cosines.nan_to_num(0).sort(dim=-1, descending=True)  # that of the padding is zeros
    assert torch.equal(ids, expected.indices[:, :4])
    torch.testing.assert_close(values, expected.values[:, :4], rtol=1e-12, atol=0)
    assert (int(ids[2, 0]), round(float(values[2, 0]), 9)) == (5, 1.0)


def test_a_latent_of_zeros_is_near_to_nothing(backbone):
    _, values = nearest_tokens(backbone, torch.zeros(1, backbone.hidden_size), 4, KNOWN)
    assert not values.any()


def test_there_may_be_fewer_tokens_than_are_wanted(backbone, positions):
    for find in (likeliest_tokens, nearest_tokens):
        assert find(backbone, positions, 4, 2)[0].shape == (7, 2)

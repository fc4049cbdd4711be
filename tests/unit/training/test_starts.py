"""Where links start: at the scale of embeddings, or at a least-squares fit."""

from __future__ import annotations

import pytest
import torch

from recursivemas import load_mas_system
from recursivemas.errors import UserError
from recursivemas.links import INNER_VARIANTS, OUTER_VARIANTS, InnerLink, OuterLink
from recursivemas.training import InnerSettings, OuterSettings, as_training_rows, train_inner, train_outer
from recursivemas.training.starts import (
    embedding_rms,
    even_out,
    fit_ridge,
    same_text_embeddings,
    start_at_scale,
    start_by_ridge,
)
from tests.support.pupils import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.process]  # loading a system tries out its chat templates


def made_up_pairs(num_in, num_out, count=400):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, num_in, generator=generator, dtype=torch.float64) + 0.3
    true = torch.randn(num_out, num_in, generator=generator, dtype=torch.float64) / num_in**0.5
    return inputs, inputs @ true.T


def test_a_linear_map_is_found_again():
    inputs, outputs = made_up_pairs(6, 9)
    fitted = fit_ridge(inputs, outputs + 2.0, strength=1e-9)
    torch.testing.assert_close(inputs @ fitted.weight.T + fitted.bias, outputs + 2.0, rtol=1e-5, atol=1e-5)


def test_a_rare_token_counts_for_more_than_its_share():
    """A hundred pairs of one token, and one of another: between them a penalised fit has to choose."""
    ids = [0] * 100 + [1]
    inputs = torch.eye(2, dtype=torch.float64)[ids]
    outputs = torch.tensor([[1.0], [5.0]], dtype=torch.float64)[ids]
    errors = []
    for weights in (None, even_out(ids)):
        fitted = fit_ridge(inputs, outputs, strength=0.5, weights=weights)
        errors.append((inputs[-1] @ fitted.weight.T + fitted.bias - 5.0).abs().item())
    assert even_out(ids).unique().tolist() == pytest.approx([0.1, 1.0])
    assert errors[1] < 0.95 * errors[0]


@pytest.mark.parametrize(("num_in", "num_out"), [(10, 16), (16, 10)])
@pytest.mark.parametrize("variant", OUTER_VARIANTS)
def test_an_outer_link_starts_at_the_fit(variant, num_in, num_out):
    inputs, outputs = made_up_pairs(num_in, num_out)
    link = OuterLink(num_in, num_out, variant).double()
    if link.parts.norm:  # which takes the mean away
        outputs = outputs - outputs.mean(dim=-1, keepdim=True)
    start_by_ridge(link, inputs, outputs, rms=float(outputs.square().mean().sqrt()))
    assert cosine(link, inputs, outputs) > 0.85
    if not link.parts.norm:
        torch.testing.assert_close(link(inputs), outputs, rtol=0.02, atol=0.05)


@pytest.mark.parametrize("variant", INNER_VARIANTS)
def test_an_inner_link_starts_at_the_fit(variant):
    inputs, outputs = made_up_pairs(12, 12)
    link = InnerLink(12, variant).double()
    if link.parts.norm:
        outputs = outputs - outputs.mean(dim=-1, keepdim=True)
    start_by_ridge(link, inputs, 0.02 * outputs, rms=0.02)
    assert cosine(link, inputs, outputs) > 0.85
    assert link(inputs).square().mean().sqrt().item() == pytest.approx(0.02, rel=0.15)


def cosine(link, inputs, outputs):
    return torch.nn.functional.cosine_similarity(link(inputs), outputs, dim=-1).mean().item()


def test_a_norm_starts_at_scale_and_a_variant_without_one_is_refused():
    link = OuterLink(8, 12)
    start_at_scale(link, 0.03)
    assert link(torch.randn(50, 8)).square().mean().sqrt().item() == pytest.approx(0.03, rel=1e-2)
    with pytest.raises(UserError, match="the variant outer_adapter has none"):
        start_at_scale(OuterLink(8, 12, "outer_adapter"), 0.03)


def test_tokens_are_matched_by_the_characters_that_they_cover(toy_release):
    with load_mas_system("sequential_light", device="cpu", release=toy_release) as system:
        source, target = system.agents["planner"], system.agents["critic"]
        text = "1. Add the tens. 2. Add the ones, 12345 in all."
        conversation = f"<|im_start|>assistant\n{text}<|im_end|>\n"
        ids = source.tokenizer(conversation, add_special_tokens=False).input_ids
        offsets = source.tokenizer(
            conversation, add_special_tokens=False, return_offsets_mapping=True
        ).offset_mapping
        found = same_text_embeddings(source, target, conversation, text, ids, 0)
        read = target.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        begin = conversation.index(text)
        checked = 0
        for (low, high), vector in zip(offsets, found, strict=True):
            if begin <= low < high <= begin + len(text):
                covered = [
                    id_
                    for id_, (start, end) in zip(read.input_ids, read.offset_mapping, strict=True)
                    if set(range(start, end)) & set(range(low - begin, high - begin))
                ]
                expected = target.model.get_input_embeddings().weight[covered].mean(dim=0)
                torch.testing.assert_close(vector, expected)
                checked += 1
        assert checked > 5
        assert found[0].isnan().all()
        eos = ids.index(source.tokenizer.eos_token_id)
        torch.testing.assert_close(
            found[eos], target.model.get_input_embeddings().weight[target.tokenizer.eos_token_id]
        )


def test_starts_are_better_than_chance_on_toy_agents(toy_release):
    losses = {}
    for init in ("random", "scale", "ridge"):
        with load_mas_system("sequential_scaled", device="cpu", release=toy_release) as system:
            rows = as_training_rows(system.graph, ROWS)
            settings = InnerSettings(
                max_steps=1, batch_size=3, init=init, adapter_relative_weight=1.0, warmup_steps=0
            )
            losses[init] = train_inner(system, "planner", rows, settings).losses[0]
    assert losses["ridge"] < 0.5 * losses["scale"]
    assert losses["scale"] <= losses["random"] * 1.05


def test_outer_links_start_by_ridge_at_the_receivers_scale_and_loaded_ones_stay(toy_release):
    with load_mas_system("sequential_light", device="cpu", release=toy_release) as system:
        rows = as_training_rows(system.graph, ROWS)
        loaded = system.outer_links["planner", "critic"].state_dict()
        none = {"max_steps": 0, "num_train_epochs": 0}
        train_outer(system, rows, OuterSettings(init="loaded", **none))
        assert all(
            map(torch.equal, loaded.values(), system.outer_links["planner", "critic"].state_dict().values())
        )
        train_outer(system, rows, OuterSettings(init="ridge", **none))
        link = system.outer_links["planner", "critic"]
        rms = embedding_rms(system.agents["critic"])
        assert link.ln_target.weight.unique().item() == pytest.approx(rms, rel=0.5)
        assert link.proj2.weight.abs().max() == 0

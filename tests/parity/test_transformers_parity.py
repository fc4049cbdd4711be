"""The engine against transformers' own hidden states, logits and `generate`, on every backbone."""

from __future__ import annotations

import pytest
import torch
from transformers import Gemma3ForConditionalGeneration

from recursivemas.engine import LocalEngine, SamplingSettings
from recursivemas.engine.backbone import Backbone
from recursivemas.engine.stream import PromptBatch, Stream
from tests.support.backbones import BACKBONES, VOCAB_SIZE, tiny_model
from tests.support.sessions import write


@pytest.fixture(params=BACKBONES)
def model(request):
    return tiny_model(request.param, torch.float32)


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(3, VOCAB_SIZE, (1, 21), generator=torch.Generator().manual_seed(5))


@torch.no_grad()
def test_hidden_states_and_logits_are_the_models_own(model, ids):
    backbone = Backbone(model)
    stream = Stream(backbone, PromptBatch.left_pad([backbone.embed(ids[0])]))
    expected = model(input_ids=ids, output_hidden_states=True)
    torch.testing.assert_close(stream.hidden, expected.hidden_states[-1][:, -1], rtol=1e-4, atol=1e-5)
    logits = backbone.logits(stream.hidden)
    torch.testing.assert_close(logits, expected.logits[:, -1].float(), rtol=1e-4, atol=1e-5)


@torch.no_grad()
# That the penalty leaves the prompt out is what ours does too, and what is compared here.
@pytest.mark.filterwarnings("ignore:Passing `repetition_penalty` with `inputs_embeds`:UserWarning")
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_greedy_text_is_what_generate_writes(model, ids, penalty):
    if isinstance(model, Gemma3ForConditionalGeneration):
        pytest.skip("generate takes no embeddings for it; gemma3_text is the same decoder")
    [written] = write(
        LocalEngine(model),
        [[tuple(ids[0].tolist())]],
        sampling=SamplingSettings(greedy=True, repetition_penalty=penalty).resolve(None),
        max_new_tokens=12,
        stop_ids={2},
    )
    generated = model.generate(
        inputs_embeds=model.get_input_embeddings()(ids),
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=12,
        repetition_penalty=penalty,
        eos_token_id=2,
        pad_token_id=0,
    )[0].tolist()
    expected = generated[: generated.index(2)] if 2 in generated else generated
    assert list(written.token_ids) == expected

"""Which models have static steps, and what is kept of the tensors that they are taken on."""

from __future__ import annotations

import pytest
import torch

from recursivemas.engine import LocalEngine, PrefixCache, reuse_prefixes, static_pool
from recursivemas.errors import UserError
from tests.support.backbones import tiny_engine, tiny_inner_link, tiny_model
from tests.support.sessions import write

PROMPTS = [[(5, 6, 7)], [(8, 9)]]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda model: setattr(model.config, "_attn_implementation", "flash_attention_2"),
            "its attention is",
        ),
        (lambda model: model.config.rope_parameters.update(rope_type="dynamic"), "its rotary positions"),
        (lambda model: setattr(model.model, "_can_compile_fullgraph", False), "its code is not made"),
        (lambda model: model.lm_head.to("meta"), "it is spread over 2 devices"),
    ],
)
def test_a_model_that_cannot_have_them_is_refused(change, why):
    model = tiny_model("qwen3")
    change(model)
    with pytest.raises(UserError, match=f"static_cache is on, and Qwen3ForCausalLM: {why}.*auto"):
        LocalEngine(model, "on")
    assert LocalEngine(model, "auto").steps.startswith("dynamic: static_cache is auto")


def test_a_kind_of_cache_that_is_not_known_is_not_served(monkeypatch):
    monkeypatch.setattr(static_pool, "SERVED", {"GrowingLayer"})
    assert tiny_engine("qwen3", static_cache="on").steps == "static"
    with pytest.raises(UserError, match="layers of the kind DynamicSlidingWindowLayer"):
        tiny_engine("gemma3_text", static_cache="on")


@pytest.fixture
def engine():
    """One that has steps prepared for as many rows and as long ones as the tests have."""
    engine = tiny_engine("qwen3", static_cache="on")
    engine.prepared = []
    engine.static_pool.prepare = lambda step: engine.prepared.append(step) or step
    return engine


def test_steps_are_prepared_once_for_all_sessions(engine):
    link = tiny_inner_link(engine)
    for _ in range(2):
        engine.open(PROMPTS).think(link, 4)
        assert len(engine.prepared) == 1
    for _ in range(2):
        write(engine, PROMPTS, max_new_tokens=4)
        assert len(engine.prepared) == 3, "a token is chosen, and fed back"
    write(engine, PROMPTS, max_new_tokens=4, stop_ids=[3])
    assert len(engine.prepared) == 4, "other tokens end a text"
    engine.open(PROMPTS).think(tiny_inner_link(engine), 4)
    assert len(engine.prepared) == 5, "another link"


def test_sessions_at_once_do_not_share_tensors(engine):
    alone = write(engine, PROMPTS, max_new_tokens=9)
    session = engine.open(PROMPTS)
    link = tiny_inner_link(engine)

    def think_meanwhile(_: int) -> None:
        engine.open(PROMPTS[::-1]).think(link, 4)

    assert write(engine, PROMPTS, max_new_tokens=9, on_step=think_meanwhile) == alone
    assert len(session.think(link, 2).latents) == 2


def test_weights_that_have_moved_need_steps_anew(engine):
    write(engine, PROMPTS, max_new_tokens=4)
    weight = engine.model.lm_head.weight
    weight.data = weight.data.clone()
    write(engine, PROMPTS, max_new_tokens=4)
    assert len(engine.prepared) == 4


def test_what_was_begun_in_inference_mode_goes_on_outside_of_it(engine):
    link, plain = tiny_inner_link(engine), write(engine, PROMPTS, max_new_tokens=4)
    engine.static_pool.clear()
    for mode in (True, False, True):
        with torch.inference_mode(mode):
            assert len(engine.open(PROMPTS).think(link, 3).latents) == len(PROMPTS)
            assert write(engine, PROMPTS, max_new_tokens=4) == plain


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError(), RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED")]
)
def test_nothing_is_kept_when_memory_has_run_out(engine, error):
    write(engine, PROMPTS, max_new_tokens=4)
    with pytest.raises(RuntimeError), reuse_prefixes([engine], PrefixCache(0)):
        raise error
    write(engine, PROMPTS, max_new_tokens=4)
    assert len(engine.prepared) == 4

"""On a CUDA device: the same numbers as on the CPU, and agents on several devices."""

from __future__ import annotations

import pytest
import torch

from recursivemas import load_mas_system
from recursivemas.engine import LocalEngine, SamplingSettings, static_rows
from tests.support.backbones import BACKBONES, VOCAB_SIZE, tiny_inner_link, tiny_model
from tests.support.pauses import Scattered, prompts_for, write_rows
from tests.support.sessions import GREEDY, write

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("name", BACKBONES)
def test_a_rollout_is_the_same_on_both_devices(name):
    model = tiny_model(name)
    link = tiny_inner_link(LocalEngine(model))
    prompts = [[tuple(torch.randint(0, VOCAB_SIZE, (length,)).tolist())] for length in (5, 40, 17)]
    latents = []
    for device in ("cpu", "cuda"):
        session = LocalEngine(model.to(device)).open(prompts)
        latents.append(session.think(link.to(device), 6).latents.cpu())
    assert ((latents[0] - latents[1]).norm() / latents[0].norm()).item() < 1e-9


@pytest.mark.parametrize("name", BACKBONES)
def test_rows_that_pause_write_the_same_on_both_devices(name):
    model = tiny_model(name)
    written = []
    for device in ("cpu", "cuda"):
        engine = LocalEngine(model.to(device))
        written.append(write_rows(engine, prompts_for(), range(8), Scattered(3)))
    assert written[0] == written[1]


@pytest.mark.parametrize("offload", ["cpu", "disk"])
@pytest.mark.parametrize("style", ["mixture", "distillation"])
def test_agents_that_take_turns_answer_as_those_that_stay(style, offload, toy_release):
    settings = {"num_rounds": 3, "latent_length": 4, "max_new_tokens": 8, "max_tool_calls": 0}
    told = []
    for where in ("none", offload):
        with load_mas_system(style, device="cuda", release=toy_release, offload=where) as system:
            solutions = system.solve(["What is 3 + 4?", "What is 2 * 9?"], save_latents=True, **settings)
            told.append([(one.text, one.messages) for one in solutions])
            assert all(moved.num_arrivals >= 3 for moved in system.offload.models)
            assert bool(system.offload.models) == (where != "none")
    for (text, messages), (other_text, others) in zip(*told, strict=True):
        assert text == other_text
        assert all(torch.allclose(messages[key], others[key], rtol=1e-4, atol=1e-5) for key in messages)


@pytest.mark.parametrize("name", BACKBONES)
def test_captured_steps_come_to_what_steps_on_growing_caches_come_to(name, monkeypatch):
    monkeypatch.setattr(static_rows, "MIN_LENGTH", 8)  # so that rows outgrow what was captured
    model = tiny_model(name).to("cuda")
    link = tiny_inner_link(LocalEngine(model))
    sampled = SamplingSettings(temperature=1.0, repetition_penalty=1.2).resolve(None)
    results = []
    for mode in ("on", "off"):
        engine = LocalEngine(model, mode)
        latents = [engine.open(prompts_for()).think(link, steps).latents for steps in (6, 12)]
        engine.max_rows = 3
        written = [
            write(engine, prompts_for(), max_new_tokens=20, stop_ids=range(2, 60), sampling=sampling)
            for sampling in (GREEDY, sampled)
        ]
        results.append((torch.cat([one.flatten() for one in latents]), written))
    (captured, texts), (expected, expected_texts) = results
    assert ((captured - expected).norm() / expected.norm()).item() < 1e-9
    assert texts == expected_texts


def test_agents_on_several_devices_answer_as_on_one(toy_release):
    places = {"math": "cuda", "code": "cpu", "science": "cuda", "summarizer": "cpu"}
    settings = {"num_rounds": 2, "latent_length": 3, "max_new_tokens": 8}
    texts = []
    for device in ("cpu", places):
        with load_mas_system("mixture", device=device, release=toy_release, dtype="float64") as system:
            assert device == "cpu" or system.agents["math"].device.type == "cuda"
            texts.append([row.text for row in system.solve(["What is 3 + 4?", "What is 2 * 9?"], **settings)])
    assert texts[0] == texts[1]

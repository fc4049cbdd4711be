"""No text depends on where agents wait while others compute: every style, to the bit."""

from __future__ import annotations

import pytest
import torch

from recursivemas import MASSystem, load_mas_system
from recursivemas.agents import load_agents
from recursivemas.agents.offload import Moving
from recursivemas.styles import PUBLISHED_STYLES
from tests.support.slow_systems import QUESTIONS

pytestmark = pytest.mark.process

CPU = torch.device("cpu")
ROUNDS = 2
SHORT = {"num_rounds": ROUNDS, "latent_length": 2, "max_new_tokens": 3, "max_tool_calls": 0}


def answer(system: MASSystem):
    """The text, the messages, and how often each agent that moves has come."""
    [solution] = system.solve(QUESTIONS[:1], save_latents=True, **SHORT)
    models = {role: agent.model for role, agent in system.agents.items()}
    arrivals = [one["arrivals"] for one in system.offload.figures(models).values()]
    return (solution.text, solution.token_ids), solution.messages, arrivals


def assert_same(one, other) -> None:
    assert one[0] == other[0]
    assert one[1].keys() == other[1].keys()
    assert all(torch.equal(message, other[1][key]) for key, message in one[1].items())


@pytest.mark.parametrize("style", PUBLISHED_STYLES)
def test_agents_that_wait_on_disk_answer_as_those_that_stay(style, toy_release):
    told = []
    for offload in ("none", "disk"):
        with load_mas_system(style, device="cpu", release=toy_release, offload=offload) as system:
            told.append(answer(system))
    assert_same(*told)
    assert told[0][2] == []
    assert told[1][2] == [ROUNDS] * len(PUBLISHED_STYLES[style].agents)


def test_agents_that_are_copied_answer_as_those_that_stay(toy_release, monkeypatch):
    """As on CUDA, from main memory, the next agent beside the one that computes."""
    with load_mas_system("mixture", device="cpu", release=toy_release, offload="none") as system:
        for agent in system.agents.values():
            for weight in agent.model.parameters():
                weight.data = weight.data.clone()  # rounding depends on where in memory a tensor begins
        stayed = answer(system)
    monkeypatch.setattr(load_agents, "choose_offload", lambda *_: {CPU: Moving("cpu", 2)})
    with load_mas_system("mixture", device="cpu", release=toy_release) as system:
        came = answer(system)
    assert_same(stayed, came)
    assert came[2] == [ROUNDS + 1, ROUNDS, ROUNDS, ROUNDS], "the first is on its way again"

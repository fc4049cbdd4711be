"""Another engine is one module behind the door: a whole system runs on this one, which knows no tensors of
prompts, no masks and no caches."""

from __future__ import annotations

import pytest
import torch

from recursivemas import load_mas_system
from recursivemas.engine import Generated, Segment, Thoughts

pytestmark = pytest.mark.process

ANSWER = "So the sum is \\boxed{42}."


class FakeEngine:
    """Thinks of how much it has read, and always writes the same."""

    dtype, device, num_embeddings, max_positions = torch.float32, torch.device("cpu"), 10**6, None
    generation_config = None

    def __init__(self, hidden_size, tokenizer, log):
        self.hidden_size, self.tokenizer, self.log = hidden_size, tokenizer, log

    def open(self, prompts):
        return FakeSession(self, [sum(len(piece) for piece in prompt) for prompt in prompts])


class FakeSession:
    def __init__(self, engine, lengths):
        self.engine, self.lengths = engine, lengths

    def __len__(self):
        return len(self.lengths)

    def think(self, link, steps):
        self.engine.log.append(("think", len(self), steps))
        hidden = torch.tensor(self.lengths, dtype=torch.float32)[:, None, None]
        return Thoughts(link(hidden.expand(-1, steps, self.engine.hidden_size)))

    def fork(self, copies):
        self.engine.log.append(("fork", len(self), copies))
        return FakeSession(self.engine, self.lengths * copies)

    def write(self, requests, *, sampling, stop_ids, pauses=None, on_step=None, rejoin_every=0):
        self.engine.log.append(("write", len(requests)))
        for request in reversed(requests):  # rows may finish in any order
            ids = tuple(self.engine.tokenizer(ANSWER, add_special_tokens=False).input_ids)
            yield request.row, Generated((Segment(ids),), num_sampled=len(ids), ended_by="stop")

    def release(self, row):
        self.engine.log.append(("release", row))


@pytest.mark.parametrize("mode", ["latent", "text"])
def test_a_system_runs_on_an_engine_of_another_kind(toy_release, mode):
    log: list[tuple] = []
    with load_mas_system("mixture", device="cpu", release=toy_release) as system:
        for agent in system.agents.values():
            fake = FakeEngine(agent.hidden_size, agent.tokenizer, log)
            object.__setattr__(agent, "engine", fake)
        solved = system.solve(
            ["1 + 41?", "2 + 40?"], mode=mode, num_rounds=2, latent_length=3, num_rollouts=2
        )
        assert [solution.text for solution in solved] == [ANSWER] * 4
        with pytest.raises(ValueError, match="is run by FakeEngine"):
            _ = system.agents["math"].model
    assert log[-6:-4] == [("fork", 2, 2), ("write", 4)]
    assert log[-4:] == [("release", row) for row in (3, 2, 1, 0)], "as no answer is asked for again"
    turns = [("think", 2, 3)] * 7 if mode == "latent" else [("write", 2)] * 7
    assert log[:-6] == turns

"""The answer retry with the release's quirks against a twin written from the rules alone.

The twin knows the text before the retry, the cue, the model and its tokenizer, and nothing of our engine: it
calls the model by itself, and filters and draws by itself.
"""

from __future__ import annotations

import random
from inspect import signature

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from recursivemas import MASSystem, load_mas_system
from recursivemas.engine import random_stream
from recursivemas.recursion import answer as answering
from tests.support.slow_systems import CODE_QUESTION, QUESTIONS

pytestmark = pytest.mark.process

SEED = 7
FEW = {"latent_length": 2, "max_new_tokens": 12, "num_rounds": 1, "seed": SEED, "repetition_penalty": 1.0}
SAMPLING = {"temperature": 0.8, "top_p": 0.9, "top_k": 20}
ASKED = {
    "math": QUESTIONS[0],
    "choice": QUESTIONS[1],
    "function": CODE_QUESTION,
}


@pytest.fixture(scope="module")
def system(toy_release) -> MASSystem:
    with load_mas_system("sequential_light", device="cpu", release=toy_release, dtype="float64") as loaded:
        yield loaded


def draw(logits: Tensor, uniform: float) -> int:
    """A token by temperature, then the likeliest 20, then 90% of the probability, in vocabulary order."""
    probabilities = torch.softmax(logits / SAMPLING["temperature"], dim=-1)
    ranked = torch.argsort(probabilities, descending=True).tolist()[: SAMPLING["top_k"]]
    total, kept, mass = sum(probabilities[token] for token in ranked), [], 0.0
    for token in ranked:
        if mass >= SAMPLING["top_p"]:
            break
        kept.append(token)
        mass += probabilities[token] / total
    left = uniform * sum(probabilities[token] for token in kept)
    for token in sorted(kept):
        left -= probabilities[token]
        if left < 0:
            return token
    return max(kept)


@torch.no_grad()
def asked_again(
    system: MASSystem, text: str, cue: str, num_tokens: int, numbers: random.Random | None
) -> str:
    """Right-stripped text, a newline, the cue; continued by a model that sees nothing else."""
    agent = system.agents[system.graph.answering_role]
    text = text.rstrip() + "\n" + cue
    ids = agent.tokenizer(text).input_ids
    written: list[int] = []
    name = "cache" if "cache" in signature(agent.model.forward).parameters else "past_key_values"
    cache, unread = DynamicCache(config=agent.model.config), ids
    while len(written) < num_tokens:
        output = agent.model(input_ids=torch.tensor([unread]), use_cache=True, **{name: cache})
        logits = output.logits[0, -1].double()
        token = int(logits.argmax()) if numbers is None else draw(logits, numbers.random())
        if token == agent.tokenizer.eos_token_id:
            break
        written.append(token)
        unread = [token]
    return text + agent.tokenizer.decode(written, skip_special_tokens=True)


@pytest.mark.parametrize("sampled", [False, True], ids=["greedy", "sampled"])
@pytest.mark.parametrize("kind", ASKED)
def test_the_release_starts_over_from_the_bare_text(system, kind, sampled, monkeypatch):
    question = ASKED[kind]
    sampling = SAMPLING if sampled else {"greedy": True}
    solution = system.solve(question, **FEW, **sampling, release_quirks=True)[0]
    assert solution.retried

    monkeypatch.setattr(answering, "release_has_answer", lambda *_: True)
    before = system.solve(question, **FEW, **sampling, release_quirks=True)[0]
    assert not before.retried
    numbers = random_stream(SEED, question.id)
    for _ in range(before.usage[-1].generated_tokens):  # those that the text has used up
        numbers.random()
    expected = asked_again(
        system,
        before.text,
        system.prompts.retry_cue(kind).lstrip("\n"),
        256 if kind == "function" else 16,
        numbers if sampled else None,
    )
    assert solution.text == expected

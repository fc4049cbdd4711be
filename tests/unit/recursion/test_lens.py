"""Messages in words: each row's own, of the right model, with a question's first answer."""

from __future__ import annotations

import pytest
import torch

from recursivemas import Question, load_mas_system
from recursivemas.engine.local import LocalSession
from recursivemas.recursion.trace import Lens

pytestmark = pytest.mark.process

QUESTIONS = [Question(id=f"q{number}", text=f"What is {number} + {number}?") for number in range(2)]
SETTINGS = {"num_rounds": 2, "latent_length": 3, "max_new_tokens": 2, "lens": True, "save_latents": True}


@pytest.fixture(scope="module")
def system(toy_release):
    with load_mas_system("distillation", device="cpu", release=toy_release, dtype="float64") as loaded:
        yield loaded


@pytest.fixture
def thoughts(monkeypatch):
    """The hidden states of each turn, in order."""
    seen = []
    think = LocalSession.think

    def spy(session, link, steps):
        seen.append(think(session, link, steps))
        return seen[-1]

    monkeypatch.setattr(LocalSession, "think", spy)
    return seen


def token(agent, id_: int) -> str:
    before = agent.tokenizer.decode(agent.token_ids("a"))
    whole = agent.tokenizer.decode([*agent.token_ids("a"), id_], skip_special_tokens=True)
    return whole[len(before) :] or agent.tokenizer.convert_ids_to_tokens(id_)


def test_words_are_those_of_each_link_s_two_models_and_change_nothing(system, thoughts):
    solutions = system.solve(QUESTIONS, num_rollouts=2, **SETTINGS)
    plain = system.solve(QUESTIONS, num_rollouts=2, **{**SETTINGS, "lens": False})
    assert [(one.text, one.message_sizes) for one in solutions] == [
        (one.text, one.message_sizes) for one in plain
    ]
    assert not any(one.lenses for one in plain)
    turns = dict(zip(system.graph.turns(2), thoughts, strict=False))
    for row, (first, second) in enumerate(zip(solutions[::2], solutions[1::2], strict=True)):
        assert (first.lenses.keys(), second.lenses) == (first.messages.keys(), {})
        for name, lens in first.lenses.items():
            number, link = name.split("/")
            source, target = (system.agents[role] for role in link.split("->"))
            table = target.model.get_input_embeddings()(torch.arange(len(target.tokenizer)))
            cosines = torch.cosine_similarity(first.messages[name][:, None], table, dim=-1)
            assert [step[0] for step in lens.heard] == [
                (token(target, int(id_)), round(float(value), 3))
                for value, id_ in zip(*cosines.max(dim=1), strict=True)
            ]
            hidden = turns[int(number[1:]), source.role].hidden[row]
            shares = source.model.get_output_embeddings()(hidden).softmax(dim=-1)[:, : len(source.tokenizer)]
            assert [step[0] for step in lens.said] == [
                (token(source, int(id_)), round(float(value), 3))
                for value, id_ in zip(*shares.max(dim=1), strict=True)
            ]
            assert {len(step) for step in (*lens.said, *lens.heard)} == {5}


def test_where_no_latents_pass_and_where_a_question_fails_there_are_none(system):
    short = {**SETTINGS, "num_rounds": 1, "max_new_tokens": 1}
    [text] = system.solve(QUESTIONS[0], **{**short, "mode": "text"})
    assert text.lenses == {}
    [thoughtless] = system.solve(QUESTIONS[0], **{**short, "latent_length": 0})
    assert thoughtless.lenses == {"r1/expert->learner": Lens(heard=())}
    long = Question(id="long", text="word " * 20_000)
    failed, solved = system.solve([long, QUESTIONS[0]], **short)
    assert (failed.error is None, failed.lenses) == (False, {})
    assert solved.lenses.keys() == solved.messages.keys() != set()

"""`links` as a control: what arrives in place of the trained links' messages, on the toy release."""

from __future__ import annotations

import pytest
import torch

from recursivemas import Question, load_mas_system
from recursivemas.errors import UserError
from recursivemas.recursion.link_controls import choose_links
from recursivemas.settings import LinkControl
from tests.support.twins import TWINS

pytestmark = pytest.mark.process

QUESTIONS = [Question(id=f"q{number}", text=f"What is {number} + {number * number}?") for number in range(3)]
SETTINGS = {"num_rounds": 2, "latent_length": 3, "max_new_tokens": 2, "greedy": True, "save_latents": True}
FIRST = "r1/expert->learner"
"""The first message of all: whatever the control, the thought behind it is the same."""


@pytest.fixture(scope="module")
def system(toy_release):
    with load_mas_system("distillation", device="cpu", release=toy_release) as loaded:
        yield loaded


def solve(system, links="trained", questions=QUESTIONS, **settings):
    return system.solve(questions, links=links, **{**SETTINGS, **settings})


def messages(solutions):
    """By `r{round}/{source}->{target}`, a message [L, D] a question."""
    return {key: [solution.messages[key] for solution in solutions] for key in solutions[0].messages}


def test_zero_links_pass_nothing(system):
    sent = messages(solve(system, "zero"))
    assert len(sent) == 3
    assert all(not message.any() for rows in sent.values() for message in rows)


def test_shuffled_messages_are_those_of_the_next_question(system):
    trained, shuffled = messages(solve(system))[FIRST], messages(solve(system, "shuffle"))[FIRST]
    for row in range(3):
        torch.testing.assert_close(shuffled[row], trained[(row + 1) % 3])
        assert not torch.allclose(shuffled[row], trained[row])


def test_a_question_with_nobody_to_swap_with_fails_alone(system):
    solutions = solve(system, "shuffle", batch_size=2)
    assert [bool(solution.error) for solution in solutions] == [False, False, True]
    assert "'q2' is alone in its batch" in solutions[2].error


def test_random_links_are_others_and_the_same_each_time(system):
    trained, first, again = (
        messages(solve(system, links))[FIRST] for links in ("trained", "random", "random")
    )
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not torch.allclose(first[0], trained[0])
    assert first[0].shape == trained[0].shape


def test_noise_is_as_large_as_asked_and_a_questions_own(system):
    trained, noisy = messages(solve(system))[FIRST], messages(solve(system, "noise:0.5"))[FIRST]
    size = torch.stack([noisy[row] - trained[row] for row in range(3)]).square().mean().sqrt()
    assert size / torch.stack(trained).square().mean().sqrt() == pytest.approx(0.5, rel=0.15)
    (alone,) = messages(solve(system, "noise:0.5", QUESTIONS[2:]))[FIRST]
    torch.testing.assert_close(alone, noisy[2], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(noisy[0] - trained[0], noisy[1] - trained[1])


def test_identity_passes_thoughts_as_they_are_where_sizes_agree(toy_release):
    with load_mas_system(TWINS, device="cpu", release=toy_release) as system:
        carry = choose_links(LinkControl("identity"), system.outer_links, system.agents)["first", "second"]
        thoughts = torch.randn(2, 3, system.agents["first"].hidden_size)
        assert torch.equal(carry(thoughts), thoughts)


def test_identity_between_sizes_is_the_ridge_map_of_their_common_tokens(system):
    expert, learner = system.agents["expert"], system.agents["learner"]
    known = {learner.tokenizer.decode([id_]): id_ for id_ in range(len(learner.tokenizer))}
    pairs = [
        (id_, known[text])
        for id_ in range(len(expert.tokenizer))
        if "\ufffd" not in (text := expert.tokenizer.decode([id_])) and text in known
    ]
    assert len(pairs) > 300
    x, y = (
        agent.model.get_input_embeddings().weight[list(ids)]
        for agent, ids in zip((expert, learner), zip(*pairs, strict=True), strict=True)
    )
    carry = choose_links(LinkControl("identity"), system.outer_links, system.agents)["expert", "learner"]
    carried = carry(x)
    residual = (carried - y).square().mean()
    best = (x @ torch.linalg.lstsq(x, y).solution - y).square().mean()
    assert best <= residual < 1.02 * best
    assert residual < 0.95 * y.square().mean()


def test_without_latents_there_is_nothing_that_a_link_could_change(system):
    """So one cell of an ablation stands for all links."""
    found = []
    for links in ("trained", "zero", "random", "identity", "shuffle", "noise:0.5"):
        solutions = solve(system, links, latent_length=0, max_new_tokens=6, greedy=False)
        assert all(not len(message) for rows in messages(solutions).values() for message in rows)
        found.append([one.text for one in solutions])
    assert found == found[:1] * len(found)


@pytest.mark.parametrize("links", ["off", "noise", "noise:0", "noise:nan", "zero:1", ""])
def test_other_names_are_refused(system, links):
    with pytest.raises(
        UserError, match="has to be one of trained, zero, random, identity, shuffle, or noise:"
    ):
        solve(system, links)


@pytest.mark.parametrize("mode", ["text", "single"])
def test_controls_are_for_latents(system, mode):
    with pytest.raises(UserError, match="links 'zero' is read in mode latent only"):
        solve(system, "zero", mode=mode)

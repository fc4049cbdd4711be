"""A question whose numbers are not finite fails alone: its neighbours' texts do not change."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import pytest
import torch

from recursivemas import MASSystem, Solution, load_mas_system
from recursivemas.engine import NOT_FINITE, SamplingSettings
from tests.support.backbones import BACKBONES, tiny_engine, tiny_inner_link
from tests.support.sessions import write

pytestmark = [pytest.mark.slow, pytest.mark.process]

QUESTIONS = ["What is 12 + 30?", "What is the zzgreatestzz of 3, 9 and 4?", "Add 1 to 7 and say what comes."]
SICK = 1
SETTINGS = {"num_rounds": 2, "latent_length": 3, "max_new_tokens": 6, "batch_size": 3}


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_engine_tells_which_row_failed_and_the_others_go_on(name, value):
    engine = tiny_engine(name)
    link = tiny_inner_link(engine)
    sick_piece = torch.full((1, engine.hidden_size), value, dtype=torch.float64)
    rows = [[(5, 6, 7)], [(9,), sick_piece, (8, 4)], [(3, 2)]]
    healthy = [rows[0], rows[2]]

    sick, well = (engine.open(prompts).think(link, 3) for prompts in (rows, healthy))
    assert (sick.failed, well.failed) == ((SICK,), ())
    torch.testing.assert_close(sick.latents[[0, 2]], well.latents, rtol=1e-9, atol=1e-9)

    for sampling in (SamplingSettings(greedy=True), SamplingSettings()):
        texts = [
            write(engine, prompts, names=names, max_new_tokens=5, sampling=sampling.resolve(None))
            for prompts, names in ((rows, "abc"), (healthy, "ac"))
        ]
        assert texts[0][SICK].ended_by == NOT_FINITE
        assert [texts[0][0], texts[0][2]] == texts[1]
        assert all(row.ended_by == "length" for row in texts[1])


def test_a_message_that_overflows_in_its_link_is_seen(toy_release):
    with load_mas_system("distillation", device="cpu", release=toy_release) as system:
        system.outer_links["expert", "learner"].ln_target.weight.data[0] = math.inf
        [solution] = system.solve(QUESTIONS[0], **SETTINGS)
    assert "round 1, expert->learner: the message is not finite" in solution.error


@pytest.mark.parametrize("mode", ["latent", "text"])
@pytest.mark.parametrize("role", ["planner", "critic", "solver"])
def test_a_question_that_fails_is_told_with_agent_and_round_and_no_other_is_touched(toy_release, mode, role):
    with load_mas_system("sequential_light", device="cpu", release=toy_release, dtype="float64") as system:
        with _watched(system, role) as read:
            expected = _solve([QUESTIONS[0], QUESTIONS[2]], system, mode)
        _poison(system, role, read)
        solutions = _solve(QUESTIONS, system, mode)
    assert [solutions[0].text, solutions[2].text] == [solution.text for solution in expected]
    assert all(solution.error is None and solution.text for solution in expected)
    sick = solutions[SICK]
    assert f"round 1, {role}: what it" in sick.error
    assert "is not finite" in sick.error
    assert (sick.text, sick.token_ids, sick.messages) == ("", (), {})


def test_every_rollout_of_a_failed_question_is_an_error(toy_release):
    with load_mas_system("distillation", device="cpu", release=toy_release) as system:
        with _watched(system, "expert") as read:
            system.solve([QUESTIONS[0], QUESTIONS[2]], **SETTINGS)
        _poison(system, "expert", read)
        solutions = system.solve(QUESTIONS, num_rollouts=2, **SETTINGS)
    assert [bool(solution.error) for solution in solutions] == [False, False, True, True, False, False]
    assert [solution.rollout for solution in solutions] == [0, 1] * 3


def _solve(questions: Sequence[str], system: MASSystem, mode: str) -> list[Solution]:
    return system.solve(questions, mode=mode, temperature=0.9, **SETTINGS)


@contextmanager
def _watched(system: MASSystem, role: str) -> Iterator[set[int]]:
    """Collects all token ids that an agent reads, those that it wrote among them."""
    read: set[int] = set()

    def note(_module, inputs, _output):
        read.update(inputs[0].flatten().tolist())

    handle = system.agents[role].model.get_input_embeddings().register_forward_hook(note)
    yield read
    handle.remove()


def _poison(system: MASSystem, role: str, read: Collection[int]) -> None:
    """Make the embedding infinite of one token of the sick question that is not among these."""
    agent = system.agents[role]
    head = agent.model.get_output_embeddings()
    head.weight = torch.nn.Parameter(head.weight.data.clone())  # it may be the embedding's own
    token = next(id_ for id_ in agent.token_ids(QUESTIONS[SICK]) if id_ not in read)
    agent.model.get_input_embeddings().weight.data[token] = math.inf

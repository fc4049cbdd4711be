"""Whole systems against their slow twins, on the toy release in float64."""

from __future__ import annotations

import dataclasses
import re

import pytest
import torch

from recursivemas import load_mas_system
from recursivemas.prompts import ChatRenderer
from recursivemas.recursion import answer as answering
from tests.support.slow import SlowModel, decode_slowly
from tests.support.slow_systems import CODE_QUESTION, FAST, FASTER, QUESTIONS, TWINS, SlowSystem

pytestmark = [pytest.mark.slow, pytest.mark.process]


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_system_is_its_rounds_written_out(system, rounds):
    questions = QUESTIONS[:2] if rounds == 3 else QUESTIONS
    solutions = system.solve(
        questions, num_rounds=rounds, greedy=True, save_latents=True, batch_size=7, **FAST
    )
    for question, solution in zip(questions, solutions, strict=True):
        slow = SlowSystem(system, question, FAST["latent_length"])
        with torch.no_grad():
            text = TWINS[system.style](slow, rounds, FAST["max_new_tokens"])
        assert set(solution.messages) == set(slow.sent)
        for name, message in slow.sent.items():
            difference = (solution.messages[name] - message).norm() / message.norm()
            assert difference < 1e-9, f"{question.id} {name}"
        assert solution.text.startswith(text)
        assert solution.text == text or solution.retried


@pytest.mark.usefixtures("short_retry")
def test_texts_do_not_depend_on_what_is_kept_and_less_is_computed(system):
    settings = {**FASTER, "num_rounds": 3, "batch_size": 2}
    anew, reused = (
        system.solve(QUESTIONS[1:3], prefix_cache=max_bytes, **settings) for max_bytes in (0, 1 << 30)
    )
    assert [solution.text for solution in reused] == [solution.text for solution in anew]
    for one, other in zip(anew, reused, strict=True):
        for before, now in zip(one.usage, other.usage, strict=True):
            assert before.positions_computed >= before.prompt_tokens + before.latents_read
            assert before.positions_reused == 0
            assert now.positions_computed + now.positions_reused == before.positions_computed
            if now.round == 3:  # the same prompt as in the round before, and a retry
                assert now.positions_computed < before.positions_computed / 2, f"{now.role}"
                assert now.positions_computed > now.latents_read


@pytest.mark.usefixtures("short_retry")
@pytest.mark.parametrize("greedy", [True, False])
def test_texts_do_not_depend_on_the_batch_or_the_order(system, greedy):
    def texts(questions, **batches):
        solutions = system.solve(questions, num_rounds=2, greedy=greedy, seed=7, **batches, **FASTER)
        return {solution.question.id: solution.text for solution in solutions}

    several = QUESTIONS[1:6]  # one with options, one beyond ASCII
    together = texts(several, batch_size=5)
    assert texts(several, batch_size=2) == together, "three batches answered as one stream"
    assert texts(several[::-1], batch_size=1, answer_window=1) == together, "one by one, in another order"
    if not greedy:
        other = system.solve(several, num_rounds=2, batch_size=5, seed=8, **FASTER)
        assert {solution.question.id: solution.text for solution in other} != together


def test_no_latent_steps_leave_the_slots_empty(system):
    settings = {**FAST, "num_rounds": 2, "latent_length": 0, "greedy": True}
    solution = system.solve(QUESTIONS[0], save_latents=True, **settings)[0]
    slow = SlowSystem(system, QUESTIONS[0], 0)
    style = system.graph
    empty = {
        link.slot: torch.zeros(0, system.agents[link.target].hidden_size, dtype=torch.float64)
        for link in style.inbound(style.answering_role, with_feedback=False)
    }
    with torch.no_grad():
        text = slow.write(style.answering_role, empty, feedback=False, max_new_tokens=FAST["max_new_tokens"])
    assert solution.text.startswith(text)
    assert all(message.shape[0] == 0 for message in solution.messages.values())
    assert sum(usage.latent_steps + usage.latents_read for usage in solution.usage) == 0


def test_a_question_too_long_for_an_agent_fails_alone(system):
    limit = min(agent.engine.max_positions for agent in system.agents.values())
    long = dataclasses.replace(QUESTIONS[0], id="long", text="one plus " * (limit + 1))
    settings = {"num_rounds": 1, "greedy": True, "batch_size": 3, **FAST}
    alone = system.solve([QUESTIONS[0], QUESTIONS[2]], **settings)
    solutions = system.solve([QUESTIONS[0], long, QUESTIONS[2]], **settings)
    assert [solution.text for solution in solutions if not solution.error] == [row.text for row in alone]
    error = solutions[1].error
    assert "question 'long' is too long for the" in error
    taken, allowed = (int(number) for number in re.findall(r"takes (\d+) .*context has (\d+)", error)[0])
    assert taken > allowed >= limit


# ---------------------------------------------------------------------------------------------------------
# The answer retry, and what the release does otherwise


def test_the_retry_goes_on_where_the_answer_ended(system):
    """The same sequence, chat and latents included; tests/parity/test_retry_parity.py has the release's."""
    question, agent = QUESTIONS[0], system.agents[system.graph.answering_role]
    solution = system.solve(question, **FAST, num_rounds=1, greedy=True)[0]
    assert solution.retried, "six tokens of a toy hold no box"
    cue = "\n\nFinal Answer: \\boxed{"
    before, _, after = solution.text.partition(cue)

    role, slow = agent.role, SlowSystem(system, question, FAST["latent_length"])
    with torch.no_grad():
        TWINS[system.style](slow, 1, 1)
        received = {
            link.slot: slow.sent[f"r1/{link}"] for link in system.graph.inbound(role, with_feedback=False)
        }
        prompt = slow.prompt(role, received, feedback=False)
        said = decode_slowly(SlowModel(agent.model), prompt, FAST["max_new_tokens"], agent.stop_ids)
        start = torch.cat([prompt, SlowModel(agent.model).embed([*said, *agent.token_ids(cue)])])
        expected = decode_slowly(SlowModel(agent.model), start, 16, agent.stop_ids)
    assert before == agent.tokenizer.decode(said, skip_special_tokens=True)
    assert after == agent.tokenizer.decode(expected, skip_special_tokens=True)


def test_code_answers_get_a_code_cue_and_room_of_their_own(system, monkeypatch):
    assert answering.CODE_RETRY_TOKENS > answering.RETRY_TOKENS
    monkeypatch.setattr(answering, "RETRY_TOKENS", 1)
    monkeypatch.setattr(answering, "CODE_RETRY_TOKENS", 4)
    solution = system.solve(CODE_QUESTION, num_rounds=1, greedy=True, **FAST)[0]
    assert solution.retried
    assert solution.ended_by == "length", "what ended the answer before it was asked for again"
    _, cue, after = solution.text.partition("```python\n")
    assert cue
    assert after
    assert len(solution.token_ids) == FAST["max_new_tokens"] + 4


def test_quirks_give_the_planner_the_math_feedback_prompt_on_code(toy_release):
    with load_mas_system("sequential_light", "mbppplus", device="cpu", release=toy_release) as system:
        settings = {**FAST, "num_rounds": 2, "save_latents": True}
        plain, quirky = (
            {usage.role: usage.prompt_tokens for usage in solution.usage if usage.round == 2}
            for quirks in (False, True)
            for solution in system.solve(CODE_QUESTION, release_quirks=quirks, **settings)
        )
        planner = system.agents["planner"]
        chat = ChatRenderer(planner.tokenizer).render(
            system.prompts.system("sequential/planner"),
            system.prompts.template("sequential/planner", "math", feedback=True).render(CODE_QUESTION),
        )
    assert quirky["planner"] == chat.num_text_tokens != plain["planner"]
    assert {role: quirky[role] for role in ("critic", "solver")} == {
        role: plain[role] for role in ("critic", "solver")
    }


# ---------------------------------------------------------------------------------------------------------
# Rollouts


@pytest.mark.usefixtures("short_retry")
def test_rollouts_repeat_the_last_decode_with_the_next_seeds(system):
    """Rollout r of seed s is the only rollout of seed s + r, and the thinking is done once."""
    settings = {**FASTER, "num_rounds": 2, "batch_size": 2}
    questions = QUESTIONS[:3]
    several = system.solve(questions, seed=7, num_rollouts=3, **settings)
    assert [(row.question.id, row.rollout) for row in several] == [
        (question.id, rollout) for question in questions for rollout in range(3)
    ]
    for rollout in range(3):
        single = system.solve(questions, seed=7 + rollout, **settings)
        assert [row.text for row in several if row.rollout == rollout] == [row.text for row in single]
    roles = len(system.graph.roles)
    assert [len(row.usage) for row in several[:3]] == [2 * roles, 1, 1]
    assert sum(usage.latent_steps for row in several[1:3] for usage in row.usage) == 0

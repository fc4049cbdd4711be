"""Whole systems against slow twins that write each style's rounds out by hand, on the toy release in float64.

The twins work on one question at a time, without cache, padding, schedule or observer. What they share with
the fast path is the loaded models and links, the prompts, and nothing else.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from recursivemas import MASSystem, Question, load_mas_system
from recursivemas.errors import UserError
from recursivemas.prompts import ChatRenderer
from recursivemas.recursion import answer as answering
from recursivemas.styles import PUBLISHED_STYLES, alone
from tests.support.slow import SlowModel, decode_slowly, roll_out_slowly

pytestmark = [pytest.mark.slow, pytest.mark.process]

QUESTIONS = [
    Question(id="sum", text="What is $12 + 30$?", gold="42"),
    Question(
        id="vitamin",
        text="Which vitamin does the skin make?\nA. Vitamin A\nB. Vitamin C\nC. Vitamin D\nD. Vitamin K",
        kind="choice",
        options=("Vitamin A", "Vitamin C", "Vitamin D", "Vitamin K"),
        gold="Vitamin D",
    ),
    Question(
        id="root",
        text="Find the positive root of $x^2 - 5x - 14 = 0$ and say why there is only one.",
        gold="7",
    ),
    Question(
        id="train",
        text="A train goes 120 km in 2 hours. How fast is it? Answer in km/h, as a number.",
        gold="60",
    ),
    Question(id="odd", text="How many odd numbers lie between 10 and 20?", gold="5"),
    Question(
        id="unicode",
        text="Ein Würfel hat die Kantenlänge 3 cm – wie groß ist sein Volumen (in cm³)?",
        gold="27",
    ),
    Question(id="cube", text="If $n^3 = 64$, what is $n$?", gold="4"),
]
CODE_QUESTION = Question(
    id="function",
    text="Return the sum of the squares of a list.",
    kind="function",
    function_name="sum_squares",
)
FAST = {"latent_length": 3, "max_new_tokens": 10, "repetition_penalty": 1.0}


@pytest.fixture(scope="module", params=PUBLISHED_STYLES)
def system(request, toy_release) -> MASSystem:
    with load_mas_system(request.param, device="cpu", release=toy_release, dtype="float64") as loaded:
        yield loaded


# ---------------------------------------------------------------------------------------------------------
# The twins


class SlowSystem:
    """One question's turns, each the slow, obvious way."""

    def __init__(self, system: MASSystem, question: Question, latent_length: int) -> None:
        self.system = system
        self.question = question
        self.latent_length = latent_length
        self.sent: dict[str, Tensor] = {}

    def prompt(self, role: str, messages: dict[str, Tensor], *, feedback: bool) -> Tensor:
        """The role's prompt as embeddings [T, D], messages in its slots."""
        agent, pack = self.system.agents[role], self.system.prompts
        name = self.system.graph.agent(role).prompt
        template = pack.template(name, pack.kind_of(self.question, name), feedback=feedback)
        text = pack.system(name, self.system.graph.agent(role).tools)
        chat = ChatRenderer(agent.tokenizer).render(text, template.render(self.question))
        pieces = [
            messages[piece] if isinstance(piece, str) else SlowModel(agent.model).embed(piece)
            for piece in chat.segments
        ]
        return torch.cat(pieces)

    def think(self, role: str, messages: dict[str, Tensor], *, feedback: bool) -> Tensor:
        """The role's latent thoughts [L, D], after its inner link."""
        agent = self.system.agents[role]
        prompt = self.prompt(role, messages, feedback=feedback)
        return agent.inner_link(
            roll_out_slowly(SlowModel(agent.model), agent.inner_link, prompt, self.latent_length)
        )

    def send(self, number: int, source: str, target: str, thoughts: Tensor) -> Tensor:
        message = self.system.outer_links[source, target](thoughts)
        self.sent[f"r{number}/{source}->{target}"] = message
        return message

    def write(self, role: str, messages: dict[str, Tensor], *, feedback: bool, max_new_tokens: int) -> str:
        agent = self.system.agents[role]
        prompt = self.prompt(role, messages, feedback=feedback)
        ids = decode_slowly(SlowModel(agent.model), prompt, max_new_tokens, {agent.tokenizer.eos_token_id})
        return agent.tokenizer.decode(ids, skip_special_tokens=True)


def sequential(slow: SlowSystem, rounds: int, max_new_tokens: int) -> str:
    feedback: dict[str, Tensor] = {}
    for number in range(1, rounds + 1):
        planned = slow.think("planner", feedback, feedback=number > 1)
        plan = slow.send(number, "planner", "critic", planned)
        refined = slow.think("critic", {"plan": plan}, feedback=False)
        refined_plan = slow.send(number, "critic", "solver", refined)
        if number < rounds:
            solved = slow.think("solver", {"refined_plan": refined_plan}, feedback=False)
            feedback = {"feedback": slow.send(number, "solver", "planner", solved)}
    return slow.write("solver", {"refined_plan": refined_plan}, feedback=False, max_new_tokens=max_new_tokens)


def mixture(slow: SlowSystem, rounds: int, max_new_tokens: int) -> str:
    feedback: dict[str, dict[str, Tensor]] = {"math": {}, "code": {}, "science": {}}
    for number in range(1, rounds + 1):
        signals = {}
        for expert in feedback:
            thoughts = slow.think(expert, feedback[expert], feedback=number > 1)
            signals[expert] = slow.send(number, expert, "summarizer", thoughts)
        if number < rounds:
            thoughts = slow.think("summarizer", signals, feedback=False)
            feedback = {
                expert: {"feedback": slow.send(number, "summarizer", expert, thoughts)} for expert in feedback
            }
    return slow.write("summarizer", signals, feedback=False, max_new_tokens=max_new_tokens)


def pair(first: str, last: str, slot: str) -> Callable[[SlowSystem, int, int], str]:
    def run(slow: SlowSystem, rounds: int, max_new_tokens: int) -> str:
        feedback: dict[str, Tensor] = {}
        for number in range(1, rounds + 1):
            thoughts = slow.think(first, feedback, feedback=number > 1)
            message = {slot: slow.send(number, first, last, thoughts)}
            if number < rounds:
                thoughts = slow.think(last, message, feedback=False)
                feedback = {"feedback": slow.send(number, last, first, thoughts)}
        return slow.write(last, message, feedback=False, max_new_tokens=max_new_tokens)

    return run


TWINS = {
    "sequential_light": sequential,
    "sequential_scaled": sequential,
    "mixture": mixture,
    "distillation": pair("expert", "learner", "plan"),
    "deliberation": pair("reflector", "toolcaller", "reflection"),
}


# ---------------------------------------------------------------------------------------------------------
# Tests


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


@pytest.mark.parametrize("greedy", [True, False])
def test_texts_do_not_depend_on_the_batch_or_the_order(system, greedy):
    def texts(questions, batch_size):
        solutions = system.solve(
            questions, num_rounds=2, greedy=greedy, batch_size=batch_size, seed=7, **FAST
        )
        return {solution.question.id: solution.text for solution in solutions}

    together = texts(QUESTIONS, 7)
    assert texts(QUESTIONS, 1) == together
    assert texts(QUESTIONS[::-1], 3) == together, "a last partial batch, and another order"
    if not greedy:
        other = system.solve(QUESTIONS, num_rounds=2, batch_size=7, seed=8, **FAST)
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
# The baselines: agents that pass on text, and one agent by itself


class SlowTextSystem(SlowSystem):
    """The same turns with text for thoughts: an agent's words are quoted in its reader's prompt."""

    def prompt(self, role: str, messages: dict[str, str], *, feedback: bool) -> Tensor:
        agent, pack = self.system.agents[role], self.system.prompts
        name = self.system.graph.agent(role).prompt
        template = pack.template(name, pack.kind_of(self.question, name), feedback=feedback)
        text = template.render_text(self.question, markers=messages)
        system_text = pack.system(name, self.system.graph.agent(role).tools)
        chat = ChatRenderer(agent.tokenizer).render(system_text, [text])
        return SlowModel(agent.model).embed(chat.segments[0])

    def think(self, role: str, messages: dict[str, str], *, feedback: bool) -> str:
        return self.write(role, messages, feedback=feedback, max_new_tokens=FAST["max_new_tokens"])

    def send(self, number: int, source: str, target: str, thoughts: str) -> str:
        self.sent[f"r{number}/{source}"] = thoughts
        return thoughts.strip()


def test_text_mode_is_its_rounds_written_out(system):
    settings = {**FAST, "num_rounds": 2, "greedy": True, "batch_size": 3, "mode": "text"}
    for question, solution in zip(QUESTIONS[:3], system.solve(QUESTIONS[:3], **settings), strict=True):
        slow = SlowTextSystem(system, question, 0)
        with torch.no_grad():
            text = TWINS[system.style](slow, 2, FAST["max_new_tokens"])
        assert {name: passage.text for name, passage in solution.passages.items()} == slow.sent
        assert solution.text.startswith(text)
        for usage in solution.usage:
            assert (usage.latent_steps, usage.latents_read) == (0, 0)
            if passage := solution.passages.get(f"r{usage.round}/{usage.role}"):
                assert usage.generated_tokens == len(passage.token_ids)
                decoded = system.agents[usage.role].tokenizer.decode(passage.token_ids)
                assert decoded.strip() == passage.text.strip()


def test_text_mode_does_not_depend_on_the_batch_or_the_order(system):
    def texts(questions, batch_size):
        settings = {**FAST, "num_rounds": 2, "batch_size": batch_size, "mode": "text"}
        return {
            row.question.id: (row.text, {name: passage.text for name, passage in row.passages.items()})
            for row in system.solve(questions, **settings)
        }

    together = texts(QUESTIONS[:5], 5)
    assert texts(QUESTIONS[:5], 1) == together
    assert texts(QUESTIONS[4::-1], 2) == together


def test_an_agent_alone_sees_the_question_and_nobody(toy_release):
    style = alone(PUBLISHED_STYLES["mixture"], "science")
    with load_mas_system(style, device="cpu", release=toy_release, dtype="float64") as system:
        assert list(system.agents) == ["science"]
        assert system.outer_links == {}
        solution = system.solve(QUESTIONS[1], greedy=True, mode="single", **FAST)[0]
        slow = SlowTextSystem(system, QUESTIONS[1], 0)
        with torch.no_grad():
            text = slow.write("science", {}, feedback=False, max_new_tokens=FAST["max_new_tokens"])
    assert solution.text.startswith(text)
    assert [(usage.round, usage.role) for usage in solution.usage] == [(1, "science")]
    with pytest.raises(UserError, match="has no role 'poet'; its roles are math, code"):
        alone(PUBLISHED_STYLES["mixture"], "poet")


def test_a_prompt_that_outgrows_its_context_fails_alone(toy_release):
    """In text mode a prompt's length is known only when the messages are."""
    with load_mas_system("distillation", device="cpu", release=toy_release, dtype="float64") as system:
        settings = {**FAST, "num_rounds": 1, "mode": "text", "batch_size": 2}
        plain = system.solve(QUESTIONS[:2], **settings)
        learner = system.agents["learner"]
        pack, name = system.prompts, "distillation/learner"
        fits = [
            ChatRenderer(learner.tokenizer)
            .render(
                pack.system(name),
                [pack.template(name, question.kind).render_text(question, markers={"plan": ""})],
            )
            .num_text_tokens
            for question in QUESTIONS[:2]
        ]
        assert fits[0] != fits[1]
        learner.model.config.max_position_embeddings = max(fits)
        solutions = system.solve(QUESTIONS[:2], **settings)
    tight = fits.index(max(fits))
    assert "is too long for the learner" in solutions[tight].error
    assert solutions[tight].passages["r1/expert"].text, "what came before is kept"
    assert solutions[1 - tight].text == plain[1 - tight].text


# ---------------------------------------------------------------------------------------------------------
# Rollouts


def test_rollouts_repeat_the_last_decode_with_the_next_seeds(system):
    """Rollout r of seed s is the only rollout of seed s + r, and the thinking is done once."""
    settings = {**FAST, "num_rounds": 2, "batch_size": 2}
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

"""Slow twins of whole systems, each style's rounds written out by hand.

They work on one question at a time, without cache, padding, schedule or observer. What they share with the
fast path is the loaded models and links, the prompts, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from recursivemas import MASSystem, Question
from recursivemas.prompts import ChatRenderer
from tests.support.slow import SlowModel, decode_slowly, roll_out_slowly

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
FASTER = {**FAST, "max_new_tokens": 6}


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
        return self.write(role, messages, feedback=feedback, max_new_tokens=FASTER["max_new_tokens"])

    def send(self, number: int, source: str, target: str, thoughts: str) -> str:
        self.sent[f"r{number}/{source}"] = thoughts
        return thoughts.strip()

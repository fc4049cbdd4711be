"""Training the slow, obvious way: one row at a time, no padding, no cache, every round written out by hand.

Shares with the fast path the loaded models and links, the words of prompts, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from recursivemas import MASSystem
from recursivemas.engine.backbone import keep_double
from recursivemas.prompts import PromptRequest, Slot
from recursivemas.training import TrainingRow

ROWS: list[dict[str, Any]] = [
    {
        "id": "sum",
        "question": "What is $12 + 30$?",
        "plan": "1. Add the two numbers.",
        "refined_plan": "1. Add the tens. 2. Add the ones.",
        "answer": "12 + 30 is \\boxed{42}.",
        "math_expert": "It is 42.",
        "code_expert": "print(12 + 30)",
        "science_expert": "A sum of two numbers, no units.",
        "deliberation_reflector": "Add them up.",
        "deliberation_toolcaller": "<python> print(12 + 30) </python>",
    },
    {
        "id": "cube",
        "question": "If $n^3 = 64$, what is $n$? Give the whole number, and say why there is no other one.",
        "plan": "1. Take the cube root of both sides.\n2. See whether there is another root.",
        "refined_plan": "1. The cube root of 64.",
        "answer": "4 * 4 * 4 = 64, and cubes grow, so n is \\boxed{4}.",
        "math_expert": "n = 4, for cubing is increasing on all real numbers.",
        "code_expert": "round(64 ** (1 / 3))",
        "science_expert": "Four.",
        "deliberation_reflector": "Cube root, then check that it is the only one.",
        "deliberation_toolcaller": "The number is 4, and as cubes grow there is no other: \\boxed{4}.",
    },
    {
        "id": "odd",
        "question": "How many odd numbers lie between 10 and 20?",
        "plan": "1. List them.",
        "refined_plan": "1. List 11, 13, 15, 17, 19.\n2. Count.",
        "answer": "\\boxed{5}",
        "math_expert": "Five of them.",
        "code_expert": "len(range(11, 20, 2))",
        "science_expert": "There are five odd numbers.",
        "deliberation_reflector": "List and count.",
        "deliberation_toolcaller": "They are 11, 13, 15, 17, 19: 5.",
    },
]


def chat_text(system: MASSystem, role: str, user: str, reply: str | None) -> str:
    """A conversation by the agent's own template, with a reply or the generation prompt."""
    tokenizer, spec = system.agents[role].tokenizer, system.graph.agent(role)
    told = system.prompts.system(spec.prompt, spec.tools)
    turns = [{"role": "system", "content": told}, {"role": "user", "content": user}]
    answer = [] if reply is None else [{"role": "assistant", "content": reply}]
    options = {"tokenize": False, "add_generation_prompt": reply is None, "enable_thinking": False}
    options["date_string"] = "26 Jul 2024"
    try:
        return tokenizer.apply_chat_template([*turns, *answer], **options)
    except Exception:  # this template takes no system turn
        turns = [{"role": "user", "content": f"{told}\n\n{user}"}]
        return tokenizer.apply_chat_template([*turns, *answer], **options)


def words(system: MASSystem, role: str, row: TrainingRow, *, feedback: bool, texts: Any = None) -> list[Any]:
    request = PromptRequest(
        prompt=system.graph.agent(role).prompt, question=row.question, feedback=feedback, texts=texts
    )
    return system.prompts.write([request])[0]


def embed(system: MASSystem, role: str, ids: Sequence[int]) -> Tensor:
    model = system.agents[role].model
    with keep_double(torch.float64):
        return model.get_input_embeddings()(torch.tensor(ids, dtype=torch.long))


def states(system: MASSystem, role: str, embeddings: Tensor) -> Tensor:
    """[T, D] -> final hidden states [T, D]."""
    decoder = system.agents[role].model.get_decoder()
    with keep_double(torch.float64):
        return decoder(inputs_embeds=embeddings[None], use_cache=False).last_hidden_state[0]


def inner_loss_slowly(system: MASSystem, role: str, rows: Sequence[TrainingRow], weights: Any) -> Tensor:
    """The mean over all pairs of all rows, token by token; `weights` are (cosine, mse)."""
    losses = []
    for row in rows:
        if role == "toolcaller":
            pieces = [
                str(one) if isinstance(one, Slot) else one for one in words(system, role, row, feedback=False)
            ]
        else:
            inbound = system.graph.inbound(role, with_feedback=False)
            texts = {link.slot: row.targets[link.source].text for link in inbound}
            pieces = words(system, role, row, feedback=False, texts=texts)
        user, target = "".join(pieces), row.targets[role].text
        tokenizer = system.agents[role].tokenizer
        prompt = tokenizer(chat_text(system, role, user, None), add_special_tokens=False).input_ids
        full = tokenizer(chat_text(system, role, user, target), add_special_tokens=False).input_ids
        hidden = states(system, role, embed(system, role, full))
        for place in range(len(prompt), len(full)):
            said = system.agents[role].inner_link(hidden[place - 1])
            wanted = embed(system, role, [full[place]])[0]
            cosine = said @ wanted / (said.norm() * wanted.norm()).clamp_min(1e-8)
            losses.append(weights[0] * (1 - cosine) + weights[1] * ((said - wanted) ** 2).mean())
    return torch.stack(losses).mean()


class Pupil:
    """One row's turns while outer links learn from target texts; losses by round are collected."""

    def __init__(
        self, system: MASSystem, row: TrainingRow, *, most: int = 80, latent_length: int | None = None
    ):
        self.system, self.row, self.most, self.latent_length = system, row, most, latent_length
        self.losses: list[Tensor] = []

    def pieces(
        self, role: str, messages: dict[str, Tensor], reply: str | None, *, feedback: bool
    ) -> list[Any]:
        """A conversation cut at its slots: token ids, and messages."""
        shown = words(self.system, role, self.row, feedback=feedback)
        slots = [one.name for one in shown if isinstance(one, Slot)]
        marked = "".join(f"@@{one.name}@@" if isinstance(one, Slot) else one for one in shown)
        text = chat_text(self.system, role, marked, reply)
        cut: list[Any] = []
        for slot in slots:
            before, text = text.split(f"@@{slot}@@")
            cut += [before, messages[slot]]
        tokenizer = self.system.agents[role].tokenizer
        return [
            one if isinstance(one, Tensor) else tokenizer(one, add_special_tokens=False).input_ids
            for one in (*cut, text)
        ]

    def read(
        self, role: str, messages: dict[str, Tensor], *, feedback: bool
    ) -> tuple[Tensor, list[int], int]:
        """Hidden states of the conversation with the target, its ids, and where the span begins."""
        prompt = self.pieces(role, messages, None, feedback=feedback)
        full = self.pieces(role, messages, self.row.targets[role].text, feedback=feedback)
        start = sum(map(len, prompt))
        ids = [id_ for one in full for id_ in ([-1] * len(one) if isinstance(one, Tensor) else one)]
        return states(self.system, role, self.joined(role, full)), ids, start

    def joined(self, role: str, pieces: list[Any]) -> Tensor:
        parts = [
            one if isinstance(one, Tensor) else embed(self.system, role, one) for one in pieces if len(one)
        ]
        return torch.cat(parts)

    def think(self, role: str, messages: dict[str, Tensor], *, feedback: bool) -> Tensor:
        inner = self.system.agents[role].inner_link
        if self.latent_length is None:
            hidden, _, start = self.read(role, messages, feedback=feedback)
            return inner(hidden[start:][: self.most])
        sequence = self.joined(role, self.pieces(role, messages, None, feedback=feedback))
        thoughts = []
        for _ in range(self.latent_length):
            thoughts.append(inner(states(self.system, role, sequence)[-1]))
            sequence = torch.cat([sequence, self.fed_back(thoughts[-1])[None]])
        return torch.stack(thoughts)

    def fed_back(self, thought: Tensor) -> Tensor:
        return thought

    def send(self, source: str, target: str, thoughts: Tensor) -> Tensor:
        return self.system.outer_links[source, target](thoughts)

    def answer(self, role: str, messages: dict[str, Tensor]) -> None:
        hidden, ids, start = self.read(role, messages, feedback=False)
        with keep_double(torch.float64):
            logits = self.system.agents[role].model.get_output_embeddings()(hidden)
        each = [
            F.cross_entropy(logits[place - 1 : place], torch.tensor(ids[place : place + 1]))
            for place in range(start, len(ids))
        ]
        self.losses.append(torch.stack(each).mean())


class StoppedPupil(Pupil):
    """Gradients do not pass from step to step of a rollout."""

    def fed_back(self, thought: Tensor) -> Tensor:
        return thought.detach()


def sequential(pupil: Pupil, rounds: int) -> None:
    feedback: dict[str, Tensor] = {}
    for number in range(1, rounds + 1):
        planned = pupil.think("planner", feedback, feedback=number > 1)
        refined = pupil.think("critic", {"plan": pupil.send("planner", "critic", planned)}, feedback=False)
        read = {"refined_plan": pupil.send("critic", "solver", refined)}
        pupil.answer("solver", read)
        if number < rounds:
            feedback = {
                "feedback": pupil.send("solver", "planner", pupil.think("solver", read, feedback=False))
            }


def mixture(pupil: Pupil, rounds: int) -> None:
    experts = ("math", "code", "science")
    feedback: dict[str, dict[str, Tensor]] = {role: {} for role in experts}
    for number in range(1, rounds + 1):
        read = {
            role: pupil.send(role, "summarizer", pupil.think(role, feedback[role], feedback=number > 1))
            for role in experts
        }
        pupil.answer("summarizer", read)
        if number < rounds:
            summary = pupil.think("summarizer", read, feedback=False)
            feedback = {role: {"feedback": pupil.send("summarizer", role, summary)} for role in experts}


def pair(first: str, second: str, slot: str):
    def run(pupil: Pupil, rounds: int) -> None:
        feedback: dict[str, Tensor] = {}
        for number in range(1, rounds + 1):
            read = {slot: pupil.send(first, second, pupil.think(first, feedback, feedback=number > 1))}
            pupil.answer(second, read)
            if number < rounds:
                feedback = {"feedback": pupil.send(second, first, pupil.think(second, read, feedback=False))}

    return run


def two_critics(pupil: Pupil, rounds: int) -> None:
    feedback: dict[str, Tensor] = {}
    for number in range(1, rounds + 1):
        planned = pupil.think("planner", feedback, feedback=number > 1)
        read = {
            role: pupil.send(
                role,
                "solver",
                pupil.think(role, {"plan": pupil.send("planner", role, planned)}, feedback=False),
            )
            for role in ("logic", "numbers")
        }
        pupil.answer("solver", read)
        if number < rounds:
            feedback = {
                "feedback": pupil.send("solver", "planner", pupil.think("solver", read, feedback=False))
            }


TWINS = {
    "sequential_light": sequential,
    "sequential_scaled": sequential,
    "mixture": mixture,
    "distillation": pair("expert", "learner", "plan"),
    "deliberation": pair("reflector", "toolcaller", "reflection"),
    "two_critics": two_critics,
}

"""What a run takes of memory, agent by agent, and how many questions fit side by side.

A row is longest where its agent has read the longest prompt and thought or written all that it may. One
agent's rows are there at a time, and the weights of all of them, but where they come and go. Static caches
stay with each agent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from recursivemas.agents.agent import Agent
from recursivemas.agents.computing import SPLIT, Placement
from recursivemas.agents.memory import cache_bytes, free_bytes, work_bytes
from recursivemas.agents.offload import Moving, Offload
from recursivemas.engine.growing_cache import ROOM
from recursivemas.engine.static_rows import MIN_LENGTH, room_for
from recursivemas.errors import UserError
from recursivemas.prompts import PromptSource
from recursivemas.question import Question
from recursivemas.recursion.prompts import Prepared, PromptWriter
from recursivemas.recursion.toolbox import tool_names
from recursivemas.settings import AUTO, SWEEP, SWEPT_LENGTHS, SolveSettings
from recursivemas.styles import Style
from recursivemas.tools import Toolbox

NUM_PROBED = 8
"""Of how many questions, those with the longest texts, the prompts are written to know the longest."""
USABLE = 0.9
"""The share of free memory that is counted on: the rest is lost between tensors."""
MOST_ROWS = 256
"""The most questions side by side that `auto` takes: beyond, a step takes longer in proportion."""


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """An agent's model, loaded or yet to be, as far as its memory goes."""

    device: Placement
    name: str
    """What agents share that share their weights."""
    weights: int
    """Bytes."""
    config: PreTrainedConfig
    """Of its text part."""
    dtype: torch.dtype
    eager: bool
    """Whether it keeps attention's scores."""
    static: bool
    """Whether its steps are static."""


def loaded_models(agents: Mapping[str, Agent], offload: Offload) -> dict[str, LoadedModel]:
    """The models of loaded agents, by role."""
    models = {}
    for role, agent in agents.items():
        model = agent.model
        models[role] = LoadedModel(
            device=SPLIT if len(set(getattr(model, "hf_device_map", {}).values())) > 1 else agent.device,
            name=str(id(model)),
            weights=offload.weight_bytes(model),
            config=model.config.get_text_config(),
            dtype=agent.engine.dtype,
            eager=model.config._attn_implementation == "eager",
            static=agent.steps == "static",
        )
    return models


@dataclass(frozen=True, kw_only=True)
class AgentMemory:
    """What an agent takes, in bytes."""

    role: str
    model: LoadedModel
    prompt: int
    """Positions of its longest prompt."""
    positions: int
    """Positions of its longest row."""
    cache: int | None
    """Of that row; None where the model's configuration does not tell it."""
    row: int | None
    """That, with the room that is made for it to become longer, and what working on it takes for a while."""
    stays: int
    """What of it stays while other agents have their turns: a static cache, with the room that is made."""
    kept: int | None
    """What is kept at most to go on from, of a question in each batch of an answer window, where
    `prefix_cache` has room for it."""


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """What fits where. `free` are bytes by device, before any weights are there, None where nobody knows."""

    agents: tuple[AgentMemory, ...]
    free: Mapping[Placement, int | None]
    prefix_cache: int
    """The most bytes that are kept, on all devices together."""
    moving: Mapping[Placement, Moving]
    """How models move, by device, where they do."""

    def weights(self, device: Placement) -> int:
        """Of the models that are on a device at a time; what agents share counts once."""
        sizes = self.sizes(device)
        moving = self.moving.get(device)
        return moving.num_seats * max(sizes) if moving else sum(sizes)

    def sizes(self, device: Placement) -> list[int]:
        """Bytes of each model that computes on a device."""
        return list({one.model.name: one.model.weights for one in self.on(device)}.values())

    def on(self, device: Placement) -> list[AgentMemory]:
        return [one for one in self.agents if one.model.device == device]

    def row(self, device: Placement) -> int | None:
        """Bytes of a question's largest row on that device, and of those of other agents that stay there."""
        rows = [one.row - one.stays for one in self.on(device) if one.row is not None]
        if len(rows) < len(self.on(device)):
            return None
        stay: dict[str, int] = defaultdict(int)
        for one in self.on(device):
            stay[one.model.name] = max(stay[one.model.name], one.stays)
        return max(rows) + sum(stay.values())

    def kept(self, device: Placement, num_rows: int) -> int:
        """Bytes that are kept there at most, of so many questions side by side."""
        return min(num_rows * sum(one.kept or 0 for one in self.on(device)), self.prefix_cache)

    def rows_that_fit(self, device: Placement) -> int | None:
        """How many questions fit side by side beside the weights; None where that is not known."""
        free, row = self.free[device], self.row(device)
        if free is None or row is None:
            return None
        room = max(int(free * USABLE) - self.weights(device), 0)
        # What is kept grows with the rows, until it is as much as may be kept.
        return max(room // (row + self.kept(device, 1)), (room - self.prefix_cache) // row)

    def batch_size(self, num_questions: int) -> int | None:
        """What batch_size `auto` takes for so many questions: 1 or more, None where that is not known."""
        fitting = [self.rows_that_fit(device) for device in self.free]
        known = [rows for rows in fitting if rows is not None]
        if len(known) < len(fitting):
            return None
        return max(min(*known, MOST_ROWS, num_questions), 1)


def plan_memory(
    style: Style,
    models: Mapping[str, LoadedModel],
    prompts: Mapping[str, int],
    settings: SolveSettings,
    moving: Mapping[Placement, Moving],
    *,
    loaded: bool,
) -> MemoryPlan:
    """A plan for models by role whose longest prompts have those positions, and that move so by device.

    `loaded` tells whether the models are in memory already, where what is free is beside them.
    """
    agents = []
    for role, model in models.items():
        agents.append(_agent_memory(style, settings, role, model, prompts[role]))
    free: dict[Placement, int | None] = {model.device: None for model in models.values()}
    plan = MemoryPlan(agents=tuple(agents), free=free, prefix_cache=settings.prefix_cache, moving=moving)
    for device in free:
        left = free_bytes(device)
        free[device] = left + plan.weights(device) if loaded and left is not None else left
    return plan


def _agent_memory(
    style: Style, settings: SolveSettings, role: str, model: LoadedModel, prompt: int
) -> AgentMemory:
    """What an agent takes whose longest prompt has so many positions."""
    positions = prompt + _follows(style, settings, role)
    cache = cache_bytes(model.config, model.dtype, positions)
    read = cache_bytes(model.config, model.dtype, prompt)
    row = kept = None
    stays = 0
    if cache is not None and read is not None:
        # A fork keeps what was read, once, beside the copy that is written on.
        forked = read if settings.num_rollouts > 1 else 0
        work = work_bytes(model.config, model.dtype, prompt, eager=model.eager)
        room = room_for(positions, MIN_LENGTH) if model.static else positions + ROOM
        held = cache_bytes(model.config, model.dtype, room) or 0
        row = held + forked + work + _waiting_bytes(style, settings, role, model, prompt)
        if model.static:
            stays = held
            row += read  # prompts are read beside it
        prompts, texts = _num_prompts(settings), _num_texts(style, settings, role)
        # Instructions stand in all prompts, and are kept by themselves besides.
        kept = (read * prompts + cache * texts) * settings.widest_window + read * prompts
    return AgentMemory(
        role=role,
        model=model,
        prompt=prompt,
        positions=positions,
        cache=cache,
        row=row,
        stays=stays,
        kept=kept,
    )


def _waiting_bytes(style: Style, settings: SolveSettings, role: str, model: LoadedModel, prompt: int) -> int:
    """Of the prompts, as input embeddings, that wait for a row to make room, one in each batch."""
    waiting = settings.widest_window if role == style.answering_role else 0
    return waiting * prompt * model.config.hidden_size * model.dtype.itemsize


def _num_prompts(settings: SolveSettings) -> int:
    """How many of an agent's prompts for a question do not begin alike, at most, and are kept each."""
    return settings.num_rounds if settings.passes == "text" else min(settings.num_rounds, 2)


def _num_texts(style: Style, settings: SolveSettings, role: str) -> int:
    """How many texts a turn of an agent's leaves to go on from, at most."""
    if role == style.answering_role:
        return settings.num_rollouts
    return 1 if settings.passes == "text" else 0


def _follows(style: Style, settings: SolveSettings, role: str) -> int:
    """How many positions follow an agent's prompt, at most."""
    answers = role == style.answering_role
    if settings.passes == "text" or (answers and settings.num_rounds == 1):
        return settings.max_new_tokens
    return max(_latents(settings), settings.max_new_tokens if answers else 0)


def _latents(settings: SolveSettings) -> int:
    """How many latents a thought has, at most."""
    return max(SWEPT_LENGTHS) if settings.latent_length == SWEEP else settings.latent_length


def choose_batch_size(plan: MemoryPlan, num_questions: int) -> int:
    """What batch_size `auto` takes. Raises UserError where that cannot be known."""
    size = plan.batch_size(num_questions)
    if size is None:
        unknown = [str(device) for device, free in plan.free.items() if free is None]
        why = f"what is free on {unknown[0]} is not known" if unknown else "a cache's size is not known"
        raise UserError(f"batch_size {AUTO!r} cannot be chosen: {why}; give a number")
    return size


def longest_prompts(
    style: Style,
    tokenizers: Mapping[str, PreTrainedTokenizerBase],
    source: PromptSource,
    settings: SolveSettings,
    toolbox: Toolbox | None,
    questions: Sequence[Question],
) -> dict[str, int]:
    """The positions of each agent's longest prompt, by role, its slots filled.

    It is looked for among the questions with the longest texts. Raises UserError where none of these can be
    shown to the agents.
    """
    writer = PromptWriter(style, tokenizers, source, settings, tool_names(style, toolbox))
    longest = sorted(questions, key=lambda question: len(question.text), reverse=True)[:NUM_PROBED]
    prepared = writer.prepare(longest)
    good = [one for one in prepared if isinstance(one, Prepared)]
    if not good:
        raise UserError(f"the longest prompts cannot be told: {prepared[0] if prepared else 'no questions'}")
    filled = settings.max_new_tokens if settings.passes == "text" else _latents(settings)
    lengths = dict.fromkeys(style.roles, 0)
    for one in good:
        for (role, with_feedback), chat in one.chats.items():
            slots = len(style.inbound(role, with_feedback=with_feedback))
            lengths[role] = max(lengths[role], chat.num_text_tokens + filled * slots)
    return lengths

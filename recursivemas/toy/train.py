"""Rebuild the trained toy from nothing: teach every agent its turns, then train links on the frozen agents.

Links are trained by `recursivemas.training` and nothing else: inner links from a start at the embeddings'
scale, outer links by least squares alone, on questions from squares that are not held out. The folder is a
release in the published layout. Agents that stand in it are kept, so a training that was broken off goes on.
Source: docs/toy.md.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import torch
import yaml

from recursivemas.files.toy_release import PROMPTS, SETTINGS
from recursivemas.links import save_link
from recursivemas.prompts import load_pack
from recursivemas.styles import DEFAULT_INNER_VARIANT, HUB_ORGANISATION, PUBLISHED_STYLES, LinkSpec, Style
from recursivemas.system import MASSystem, load_mas_system
from recursivemas.toy.agents import make_agent, toy_agents
from recursivemas.toy.lessons import TurnMaker
from recursivemas.toy.rows import NUM_ROUNDS, NUM_TEXT_ROWS, TEXT_SEED, text_rows, write_tolls
from recursivemas.toy.schooling import LessonWriter, Schooling, share_right, teach_agent
from recursivemas.training import InnerSettings, OuterSettings, as_training_rows, train_inner, train_outer
from recursivemas.zoo.layout import (
    INNER_CONFIG,
    INNER_MANIFEST,
    OUTER_MANIFEST,
    PLAIN_INNER_NAME,
    outer_manifest,
)
from recursivemas.zoo.release import generation_config, no_transformers_bars, write_json
from recursivemas.zoo.tokenization import QWEN3_5
from recursivemas.zoo.weights import seed_for

LATENT_LENGTH = 16
"""Steps of a rollout: what there is to say takes 15 or 16 tokens."""
MAX_NEW_TOKENS = 200
TOLLS = "tolls"
NUM_TRIED_TURNS = 200
NUM_COURSES, MAX_COURSES = 2, 5
LEAST_COURSES = {"toolcaller": 1, "math": 3, "reflector": 3, "summarizer": 3}
"""By role, where it is not `NUM_COURSES`. Turns in text are all right after one or two courses; what an agent
thinks needs more of them or fewer, which was found by trying."""
INNER_STEPS, MORE_INNER_STEPS = 400, {"mixture": 800}
"""Of an inner link's training; more by style, where thoughts have to be spelt more exactly: the summarizer
reads three at once."""
FIGURES = "training.json"
PACK = Path(__file__).with_name(PROMPTS)
"""The words that the agents are taught."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the trained toy is made."""

    seed: int = 0
    """Of agents and links. `link_seed` gives the links alone another one."""
    link_seed: int = 0
    schooling: Schooling = field(default_factory=Schooling)
    enough: float = 0.995
    """The share of new turns that an agent has to get right; until it does, there is another course."""
    inner_steps: int | None = None
    """None: as many as the style was found to need."""

    def course(self, number: int, agent_seed: int) -> Schooling:
        """How an agent is taught in its first course, and in those after it."""
        seed = agent_seed + number
        if number == 0:
            return replace(self.schooling, seed=seed)
        steps, rate = round(0.6 * self.schooling.num_steps), 0.6 * self.schooling.learning_rate
        return replace(self.schooling, seed=seed, num_steps=steps, learning_rate=rate)

    def inner(self, style: Style) -> InnerSettings:
        return InnerSettings(
            init="scale",
            adapter_relative_weight=1.0,
            adapter_lr=1e-2,
            max_steps=self.inner_steps or MORE_INNER_STEPS.get(style.name, INNER_STEPS),
            batch_size=16,
            save_steps=0,
            seed=self.link_seed,
        )

    def start(self) -> OuterSettings:
        """Least squares alone: no step is taken."""
        return OuterSettings(init="ridge", max_steps=0, num_train_epochs=0, save_steps=0, seed=self.link_seed)


def train_release(
    directory: Path,
    recipe: Recipe,
    *,
    styles: Sequence[str] = tuple(PUBLISHED_STYLES),
    num_workers: int = 2,
    report: Callable[[str], None] = print,
) -> Path:
    """Train these styles' agents and links into `directory`, on so many processes; returns the folder."""
    _begin(directory)
    graphs = [PUBLISHED_STYLES[name] for name in styles]
    roles = sorted(((graph.name, role) for graph in graphs for role in graph.roles), key=_work, reverse=True)
    lessons = [(school_agent, directory, name, role, recipe) for name, role in roles]
    for line in _side_by_side(lessons, num_workers):
        report(line)
    for line in _side_by_side([(train_links, directory, name, recipe) for name in styles], num_workers):
        report(line)
    return directory


def _work(agent: tuple[str, str]) -> float:
    """How long an agent's lessons take, roughly: the longest go first, or one process waits for the other."""
    style_name, role = agent
    is_slow = toy_agents(style_name)[role].family.tokenizer is QWEN3_5
    return LEAST_COURSES.get(role, NUM_COURSES) * (3.0 if is_slow else 1.0)


def _begin(directory: Path) -> None:
    """What a release brings besides its repositories.

    Raises FileExistsError for a folder that holds something else than a toy that was trained before.
    """
    if directory.is_dir() and any(directory.iterdir()) and not (directory / PROMPTS).is_file():
        raise FileExistsError(
            f"{directory} holds files and is no trained toy (there is no {PROMPTS}); nothing was touched, "
            "name a new folder"
        )
    directory.mkdir(parents=True, exist_ok=True)
    load_pack(PACK).save(directory / PROMPTS)
    write_tolls(directory / TOLLS)
    settings = {
        "latent_length": LATENT_LENGTH,
        "num_recursive_rounds": NUM_ROUNDS,
        "max_new_tokens": MAX_NEW_TOKENS,
        "search_folder": TOLLS,
    }
    (directory / SETTINGS).write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def _side_by_side(jobs: Sequence[tuple[Any, ...]], num_workers: int) -> Iterator[str]:
    """What the jobs, each a function and its arguments, give as they end; with no workers in this process."""
    if num_workers == 0:
        yield from (function(*arguments) for function, *arguments in jobs)
        return
    with ProcessPoolExecutor(num_workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        for job in as_completed([pool.submit(*job) for job in jobs]):
            yield job.result()


def _one_thread() -> None:
    torch.set_num_threads(1)


def school_agent(directory: Path, style_name: str, role: str, recipe: Recipe) -> str:
    """Teach one agent and save it; a line that says how well it does."""
    style, agent = PUBLISHED_STYLES[style_name], toy_agents(style_name)[role]
    folder = directory / HUB_ORGANISATION / style.agent(role).repo
    label = f"{style_name} {role}"
    if folder.exists():
        return f"{label}: taught before"
    began = time.monotonic()
    pack = load_pack(PACK)
    seed = seed_for(folder.name, str(recipe.seed)) % 2**32
    model, tokenizer = make_agent(agent.family, agent.hidden_size, pack, seed)
    writer = LessonWriter(style, role, tokenizer, pack, recipe.schooling)
    maker, random = TurnMaker(style, role), Random(seed - 1)
    turns = [maker.random_turn(random) for _ in range(NUM_TRIED_TURNS)]
    least = LEAST_COURSES.get(role, NUM_COURSES)
    num_steps = 0
    for course in range(MAX_COURSES):
        how = recipe.course(course, seed)
        num_steps += how.num_steps
        teach_agent(model, tokenizer, style, role, pack, how)
        if course + 1 >= least and share_right(model, turns, writer) >= recipe.enough:
            break
    model.to(agent.dtype)
    right = share_right(model, turns, writer)
    model.generation_config = generation_config(agent.family, tokenizer)
    aside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    with no_transformers_bars():
        model.save_pretrained(aside)
    tokenizer.save_pretrained(aside)
    seconds = round(time.monotonic() - began)
    write_json(aside / FIGURES, {"steps": num_steps, "turns_right": right, "seconds": seconds})
    aside.rename(folder)
    return f"{label}: {right:.1%} of {NUM_TRIED_TURNS} new turns right after {num_steps} steps, {seconds} s"


def load_taught(directory: Path, style: Style) -> MASSystem:
    """The style's agents with links that are yet to be trained."""
    fresh = replace(
        style,
        agents=tuple(replace(agent, fresh_inner_link=True) for agent in style.agents),
        links=tuple(replace(link, fresh=True) for link in style.links),
    )
    system = load_mas_system(fresh, "math500", device="cpu", dtype="float32", release=directory, prompts=PACK)
    system.graph = style
    return system


def train_links(directory: Path, style_name: str, recipe: Recipe) -> str:
    """Train a style's links on its agents and save them; a line that says how long it took."""
    style = PUBLISHED_STYLES[style_name]
    began = time.monotonic()
    with load_taught(directory, style) as system:
        learn_links(system, recipe)
        _save_links(directory / HUB_ORGANISATION, system)
    return f"{style_name} links: {time.monotonic() - began:.0f} s"


def learn_links(system: MASSystem, recipe: Recipe) -> None:
    """Train all links of a system in place."""
    texts = as_training_rows(system.graph, text_rows(system.graph, TEXT_SEED, NUM_TEXT_ROWS))
    for role in system.graph.roles:
        train_inner(system, role, texts, recipe.inner(system.graph))
    train_outer(system, texts, recipe.start())


def _save_links(organisation: Path, system: MASSystem) -> None:
    """In the published layout. Where a style has several link sets, they are one: there is only one task."""
    style = system.graph
    for spec in style.agents:
        folder = organisation / spec.repo
        save_link(system.agents[spec.role].inner_link, folder / PLAIN_INNER_NAME)
        write_json(folder / INNER_CONFIG, {"adapter_type": DEFAULT_INNER_VARIANT})
        if style.link_sets:
            names = {link_set: {PLAIN_INNER_NAME: PLAIN_INNER_NAME} for link_set in style.link_sets}
            write_json(folder / INNER_MANIFEST, {"tasks": names})
    folder = organisation / str(style.outer_repo)
    folder.mkdir(exist_ok=True)
    for link in style.links:
        save_link(system.outer_links[link.source, link.target], folder / _outer_name(link, None))
    write_json(folder / OUTER_MANIFEST, outer_manifest(style, toy_agents(style.name), _outer_name))


def _outer_name(link: LinkSpec, link_set: str | None) -> str:
    return f"{link.source.capitalize()}-{link.target.capitalize()}-Outerlink.pt"

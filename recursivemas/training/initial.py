"""Putting links in place to be trained, started as the settings say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from recursivemas.agents.agent import Agent
from recursivemas.benchmarks.base import DatasetError
from recursivemas.engine.backbone import Backbone
from recursivemas.errors import UserError
from recursivemas.links import InnerLink, OuterLink
from recursivemas.styles import LinkSpec
from recursivemas.system import MASSystem
from recursivemas.training.inner import find_pair_places
from recursivemas.training.learners import InnerLearner, inner_roles, link_name
from recursivemas.training.lessons import Lesson, LessonWriter, read_together, teach
from recursivemas.training.rows import TrainingRow, usable_rows
from recursivemas.training.settings import InnerSettings, OuterSettings
from recursivemas.training.starts import (
    embedding_rms,
    even_out,
    root_mean_square,
    same_text_embeddings,
    start_at_scale,
    start_by_ridge,
)

RIDGE_ROWS = 1024
"""So many rows at most are read for a least-squares start."""
RIDGE_BATCH = 8


def link_dtype(name: str, agent: Agent) -> torch.dtype:
    """`auto` is float32, or float64 where the model is: bfloat16 would lose the early rounds' gradients."""
    if name == "auto":
        return torch.float64 if agent.engine.dtype == torch.float64 else torch.float32
    return getattr(torch, name)


def start_inner(system: MASSystem, role: str, rows: Sequence[TrainingRow], settings: InnerSettings) -> None:
    """Put the link that training starts from in its place."""
    agent = system.agents[role]
    dtype = link_dtype(settings.adapter_dtype, agent)
    if settings.init == "loaded":
        agent.inner_link.to(dtype)
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        link = InnerLink(agent.hidden_size, settings.adapter_type)
    link = link.to(agent.device, dtype).eval().requires_grad_(False)
    system.agents[role] = replace(agent, inner_link=link, inner_link_path=None)
    if settings.init == "scale":
        start_at_scale(link, embedding_rms(agent))
    elif settings.init == "ridge":
        learner = InnerLearner(system, role, settings)
        found = [pairs for batch in _batches(rows) if (pairs := learner.pairs(batch)) is not None]
        if not found:
            raise DatasetError(f"no row can be trained on: {learner.skipped.describe()}")
        embeddings = torch.cat([pairs.embeddings for pairs in found])
        hidden = torch.cat([pairs.hidden for pairs in found])
        weights = even_out([id_ for pairs in found for id_ in pairs.next_ids])
        start_by_ridge(link, hidden, embeddings, rms=root_mean_square(embeddings), weights=weights)


def start_outer(system: MASSystem, rows: Sequence[TrainingRow], settings: OuterSettings) -> None:
    """Put the links that training starts from in their places."""
    variants = settings.variants()
    known = [name for spec in system.graph.links for name in (link_name(spec), str(spec))]
    if unknown := sorted(set(variants) - set(known)):
        raise UserError(
            f"outer_types names {unknown[0]!r}, which is no link of {system.style}; "
            f"its links are {', '.join(dict.fromkeys(known))}"
        )
    for number, spec in enumerate(system.graph.links):
        source, target = system.agents[spec.source], system.agents[spec.target]
        dtype = link_dtype(settings.outer_dtype, source)
        place = spec.source, spec.target
        if settings.init == "loaded":
            system.outer_links[place].to(dtype)
            continue
        variant = variants.get(link_name(spec), variants.get(str(spec), settings.outer_adapter_type))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed + number)
            link = OuterLink(source.hidden_size, target.hidden_size, variant)
        system.outer_links[place] = link.to(source.device, dtype).eval().requires_grad_(False)
        if settings.init == "scale":
            start_at_scale(link, embedding_rms(target))
        elif settings.init == "ridge":
            thoughts, embeddings, weights = _same_texts(system, spec, rows, settings)
            start_by_ridge(link, thoughts, embeddings, rms=root_mean_square(embeddings), weights=weights)


@torch.no_grad()
def _same_texts(
    system: MASSystem, spec: LinkSpec, rows: Sequence[TrainingRow], settings: OuterSettings
) -> tuple[Tensor, Tensor, Tensor]:
    """What the source thinks on reading its texts, the target's embeddings of the same, and their weights.

    [N, D_source], [N, D_target] and [N].
    """
    source, target = system.agents[spec.source], system.agents[spec.target]
    rows, _ = usable_rows(rows, system.graph, inner_roles(system, spec.source))
    writer = LessonWriter(
        system.graph, {spec.source: source}, system.prompts, enable_thinking=settings.enable_thinking
    )
    thoughts, embeddings = [], []
    tokens: list[int] = []
    for batch in _batches(rows):
        lessons = zip(writer.with_texts(batch, spec.source), batch, strict=True)
        readable = [(lesson, row) for lesson, row in lessons if isinstance(lesson, Lesson)]
        for hidden, matched, ids in _read_same_texts(
            source, target, readable, spec.source, settings.max_length
        ):
            thoughts.append(source.inner_link(hidden))
            embeddings.append(matched)
            tokens += ids
    if not embeddings:
        raise DatasetError(f"{spec}: no row's text leaves room for it in max_length {settings.max_length}")
    found = torch.cat(embeddings)
    known = ~found.isnan().any(dim=1)
    weights = even_out(tokens).to(found.device)
    return torch.cat(thoughts)[known], found[known], weights[known]


def _read_same_texts(
    source: Agent, target: Agent, rows: Sequence[tuple[Lesson, TrainingRow]], role: str, max_length: int
) -> Iterator[tuple[Tensor, Tensor, Sequence[int]]]:
    """A row's hidden states h_t [N, D], the target's embeddings [N, D] of what tokens t + 1 say, these."""
    backbone = Backbone(source.model)
    taught = [teach(backbone, lesson, lesson.full, {}) for lesson, _ in rows if lesson.full]
    states = read_together(backbone, [one.embeddings[:max_length] for one in taught])
    for (lesson, row), one, state in zip(rows, taught, states, strict=True):
        places = find_pair_places(one, lesson, max_length)
        if places and lesson.full:
            text = row.targets[role].text
            matched = same_text_embeddings(source, target, lesson.full.text, text, one.ids, places.start + 1)
            ids = one.ids[places.start + 1 : places.stop + 1]
            yield state[places.start : places.stop], matched[: len(places)].to(state.device), ids


def _batches(rows: Sequence[TrainingRow]) -> Iterator[Sequence[TrainingRow]]:
    first = rows[:RIDGE_ROWS]
    return (first[start : start + RIDGE_BATCH] for start in range(0, len(first), RIDGE_BATCH))

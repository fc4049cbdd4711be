"""Loading what is to be trained: a style's agents, or one of them, with links that need not exist yet."""

from __future__ import annotations

from dataclasses import replace

from recursivemas.prompts import load_prompts
from recursivemas.runs.ranks import current_rank
from recursivemas.styles import Style
from recursivemas.system import MASSystem, load_mas_system
from recursivemas.training.settings import InnerSettings, LearningSettings, SourceSettings

DATASET_OF_TASK = {"math": "math500", "choice": "math500", "code": "mbppplus"}
"""A benchmark with the link set that a task has."""


def load_for_training(graph: Style, source: SourceSettings, settings: LearningSettings) -> MASSystem:
    """A system to train: for an inner link the one agent alone, for outer links all of them.

    Links that will be trained are not asked for, unless training starts from the loaded ones.
    """
    dataset = DATASET_OF_TASK[source.task]
    prompts = load_prompts(source.prompts, release=source.release, style_prompts=graph.prompts)
    prompts.check(graph, task="code" if source.task == "code" else "math", mode="latent")
    loaded = _to_load(
        graph, source.role, fresh=settings.init != "loaded", inner=isinstance(settings, InnerSettings)
    )
    current_rank().use_own_gpu(source.device)
    system = load_mas_system(
        loaded,
        dataset,
        device=source.device,
        dtype=source.dtype,
        trust_remote_code=source.trust_remote_code,
        release=source.release,
        overrides=_overrides(graph, source),
        revision=source.revision,
        prompts=prompts,
    )
    system.graph = graph
    return system


def _to_load(graph: Style, role: str | None, *, fresh: bool, inner: bool) -> Style:
    if inner:
        agent = graph.agent(str(role))
        return replace(graph, agents=(replace(agent, fresh_inner_link=fresh),), links=())
    return replace(graph, links=tuple(replace(link, fresh=fresh or link.fresh) for link in graph.links))


def _overrides(graph: Style, source: SourceSettings) -> dict[str, str]:
    """By role, `agentN` standing for the Nth."""
    roles = {f"agent{number}": role for number, role in enumerate(graph.roles, start=1)}
    return {roles.get(key, key): folder for key, folder in source.pairs("ckpt_override").items()}

"""Loading what is to be trained: a style's agents, or one of them, with links that need not exist yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from recursivemas.errors import UserError
from recursivemas.prompts import load_prompts
from recursivemas.release.resolve import OUTER
from recursivemas.styles import Style
from recursivemas.system import MASSystem, load_mas_system
from recursivemas.training.folder import check_filenames
from recursivemas.training.settings import InnerSettings, LearningSettings, SourceSettings, role_of

DATASET_OF_TASK = {"math": "math500", "choice": "math500", "code": "mbppplus"}
"""A benchmark with the link set that a task has."""


def load_for_training(graph: Style, source: SourceSettings, settings: LearningSettings) -> MASSystem:
    """A system to train: for an inner link the one agent alone, for outer links all of them.

    Links that will be trained are not asked for, unless training starts from the loaded ones.
    """
    overrides = _overrides(graph, source)
    inner = isinstance(settings, InnerSettings)
    if not inner:
        check_filenames(graph)
    if settings.init != "loaded":
        _refuse_unread_links(overrides, str(source.role) if inner else OUTER, settings.init)
    dataset = DATASET_OF_TASK[source.task]
    prompts = load_prompts(source.prompts, release=source.release, style_prompts=graph.prompts)
    prompts.check(graph, task="code" if source.task == "code" else "math", mode="latent")
    loaded = _to_load(graph, source.role, fresh=settings.init != "loaded", inner=inner)
    system = load_mas_system(
        loaded,
        dataset,
        device=source.device,
        dtype=source.dtype,
        offload="none",
        trust_remote_code=source.trust_remote_code,
        release=source.release,
        overrides=overrides,
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


def _refuse_unread_links(overrides: Mapping[str, str], key: str, init: str) -> None:
    """UserError for links given that training would put its own in the place of."""
    folder = overrides.get(key)
    if folder and Path(folder).is_dir() and not (Path(folder) / "config.json").is_file():  # a model is read
        raise UserError(
            f"ckpt_override {key}={folder} gives links that init {init!r} does not start from; give --init "
            "loaded to go on with them, or drop it"
        )


def _overrides(graph: Style, source: SourceSettings) -> dict[str, str]:
    """By role, `agentN` standing for the Nth."""
    return {role_of(key, graph): folder for key, folder in source.pairs("ckpt_override").items()}

"""Loading a system's agents, onto their devices or to where they wait for their turn."""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from recursivemas.agents.agent import Agent
from recursivemas.agents.checkpoint import Outline
from recursivemas.agents.computing import SPLIT, Placement
from recursivemas.agents.load import load_engine
from recursivemas.agents.load_links import ReadLinks
from recursivemas.agents.load_vllm import VllmModels
from recursivemas.agents.memory import weight_bytes
from recursivemas.agents.offload import MAIN_MEMORY, Offload, Weights, choose_offload
from recursivemas.agents.residency import MovedModel, Residency
from recursivemas.engine import Engine, LocalEngine
from recursivemas.release.resolve import AgentFiles, ReleaseFiles
from recursivemas.settings import AUTO

logger = logging.getLogger(__name__)


def load_agents(
    paths: ReleaseFiles,
    outlines: Mapping[str, Outline],
    links: ReadLinks,
    devices: Mapping[str, Placement],
    loading: Mapping[str, Any],
    offload: str,
) -> tuple[dict[str, Agent], Offload]:
    """The agents by role, and how they move. Agents of one repository on one device share its weights.

    They come in the order of `devices`, in which they are taken to run. `loading` are keywords of
    `load_engine`, and `offload` has been checked. Raises what `load_engine` raises,
    and LoadError for a disk that is too full for weights to wait there.
    """
    moving = choose_offload(offload, _describe(paths, outlines, devices, loading, offload))
    for device, one in moving.items():
        if offload == AUTO:
            where = "in main memory" if one.place == "cpu" else "on disk"
            logger.warning("not all agents fit on %s: they take turns there, and wait %s", device, where)
    loaded: dict[tuple[Path, Placement], tuple[LocalEngine, Any]] = {}
    moved: dict[torch.device, list[MovedModel]] = defaultdict(list)
    agents = {}
    bar = tqdm(devices.items(), unit="agent", file=sys.stderr, leave=False)
    for role, device in bar:
        bar.set_description(f"loading {role}")
        files = paths.agents[role]
        key = (files.model_dir.resolve(), device)
        if key not in loaded:
            place = MAIN_MEMORY if device in moving else device
            loaded[key] = load_engine(files.model_dir, device=place, outline=outlines[role], **loading)
            if device in moving and device != SPLIT:
                model = loaded[key][0].model
                moved[device].append(MovedModel(model, files.model_dir, device, moving[device].place))
        agents[role] = _agent(files, *loaded[key], links)
    for device, models in moved.items():
        Residency(device, models, moving[device].num_seats)
    return agents, Offload(moving=moving, models=tuple(one for models in moved.values() for one in models))


def load_vllm_agents(
    paths: ReleaseFiles, outlines: Mapping[str, Outline], links: ReadLinks, models: VllmModels
) -> dict[str, Agent]:
    """The agents by role, on models that vLLM runs; those of one repository share its engine."""
    loaded: dict[Path, tuple[Engine, Any]] = {}
    agents = {}
    for role, files in tqdm(paths.agents.items(), unit="agent", file=sys.stderr, leave=False):
        place = files.model_dir.resolve()
        if place not in loaded:
            loaded[place] = models.load(files.model_dir, outlines[role])
        agents[role] = _agent(files, *loaded[place], links)
    return agents


def _agent(files: AgentFiles, engine: Engine, tokenizer: Any, links: ReadLinks) -> Agent:
    return Agent(
        role=files.role,
        engine=engine,
        tokenizer=tokenizer,
        inner_link=links.place_inner(files.role, engine),
        repo_id=files.repo_id,
        revision=files.revision,
        repo_path=files.model_dir,
        inner_link_path=files.inner_link,
    )


def _describe(
    paths: ReleaseFiles,
    outlines: Mapping[str, Outline],
    devices: Mapping[str, Placement],
    loading: Mapping[str, Any],
    offload: str,
) -> list[Weights]:
    """The agents' weights as far as moving them goes; nothing where all are to stay."""
    quantization = loading["quantization"]
    return [
        Weights(
            device=devices[role],
            name=str(files.model_dir.resolve()),
            num_bytes=weight_bytes(
                outlines[role],
                dtype=loading["dtype"],
                quantization=quantization,
                stored_bytes=paths.weight_bytes(role),
            ),
            movable=quantization is None and not outlines[role].quantized,
        )
        for role, files in paths.agents.items()
        if offload != "none"
    ]

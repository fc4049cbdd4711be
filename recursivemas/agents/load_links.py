"""Loading a system's links: all that is wrong with them is known before a model is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch

from recursivemas.agents.agent import Agent
from recursivemas.agents.checkpoint import Outline
from recursivemas.engine import Engine
from recursivemas.links import InnerLink, OuterLink, load_inner_link, load_outer_link
from recursivemas.release.resolve import AgentFiles, ReleaseFiles
from recursivemas.styles import LinkSpec, Style

FRESH_LINK_SEED = 0

LinkT = TypeVar("LinkT", InnerLink, OuterLink)


@dataclass(frozen=True, kw_only=True)
class ReadLinks:
    """A system's links as they were read, on the CPU: inner ones by role, outer ones by (source, target).

    `dtype` and `outer_dtype` are what was asked for, None for what is stored. An untrained link stores none:
    it then has the dtype of the model that reads it.
    """

    files: ReleaseFiles
    inner: Mapping[str, InnerLink]
    outer: Mapping[tuple[str, str], OuterLink]
    dtype: torch.dtype | None
    outer_dtype: torch.dtype | None

    def place_inner(self, role: str, engine: Engine) -> InnerLink:
        """A role's inner link beside the model that the engine runs."""
        is_trained = self.files.agents[role].inner_link is not None
        return _place(self.inner[role], engine.device, None if is_trained else self.dtype or engine.dtype)

    def place_outer(self, agents: Mapping[str, Agent]) -> dict[tuple[str, str], OuterLink]:
        """Each outer link where its messages are made."""
        placed = {}
        for (source, target), link in self.outer.items():
            is_trained = self.files.links[source, target].path is not None
            dtype = None if is_trained else self.outer_dtype or agents[target].engine.dtype
            placed[source, target] = _place(link, agents[source].device, dtype)
        return placed


def read_links(
    style: Style,
    files: ReleaseFiles,
    outlines: Mapping[str, Outline],
    dtype: torch.dtype | None,
    outer_dtype: torch.dtype | None,
) -> ReadLinks:
    """The links of a style from those files, for models with those outlines (by role).

    `dtype` is that of inner links, None for what is stored. Raises LinkError for what does not fit.
    """
    return ReadLinks(
        files=files,
        inner={role: _read_inner(files.agents[role], outlines[role], dtype) for role in style.roles},
        outer={
            (link.source, link.target): _read_outer(link, files, outlines, outer_dtype)
            for link in style.links
        },
        dtype=dtype,
        outer_dtype=outer_dtype,
    )


def _read_inner(files: AgentFiles, outline: Outline, dtype: torch.dtype | None) -> InnerLink:
    hidden_size = outline.config.hidden_size
    if files.inner_link is None:
        return _fresh(InnerLink, hidden_size)
    return load_inner_link(
        files.inner_link, variant=files.inner_variant, hidden_size=hidden_size, dtype=dtype
    )


def _read_outer(
    spec: LinkSpec, files: ReleaseFiles, outlines: Mapping[str, Outline], dtype: torch.dtype | None
) -> OuterLink:
    source, target = outlines[spec.source].config, outlines[spec.target].config
    file = files.links[spec.source, spec.target]
    if file.path is None:
        return _fresh(OuterLink, source.hidden_size, target.hidden_size)
    return load_outer_link(
        file.path,
        variant=file.variant,
        source=(spec.source, source.hidden_size),
        target=(spec.target, target.hidden_size),
        dtype=dtype,
    )


def _place(link: LinkT, device: torch.device, dtype: torch.dtype | None) -> LinkT:
    """The link on a device; `dtype` None keeps its own."""
    return link.to(device) if dtype is None else link.to(device, dtype)


def _fresh(link_class: Callable[..., LinkT], *sizes: int) -> LinkT:
    """An untrained link, the same each time, whatever the global random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(FRESH_LINK_SEED)
        return link_class(*sizes).eval().requires_grad_(False)

"""A release -> the files of a system: models, inner links and outer links, as paths on this machine.

A release is the hub's organisation, a folder that holds the same repositories, or the embedded toy. Overrides
point a role, or the outer links, at a folder of one's own.

Source: docs/protocol.md, "Styles" and "Repositories".
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from recursivemas.errors import did_you_mean
from recursivemas.question import Task
from recursivemas.release.errors import ReleaseError
from recursivemas.release.manifests import (
    OuterEntry,
    companion_files,
    find_inner_link,
    find_outer_link,
    has_model,
    inner_names,
    inner_variant,
    outer_keys,
    outer_names,
    weight_files,
)
from recursivemas.release.names import full_name
from recursivemas.release.repositories import (
    HubRelease,
    Release,
    Repository,
    fetch,
    open_all,
    open_folder,
    open_release,
    verify,
)
from recursivemas.styles import DEFAULT_INNER_VARIANT, AgentSpec, LinkSpec, Style

__all__ = [
    "AgentFiles",
    "LinkFile",
    "ReleaseError",
    "ReleaseFiles",
    "model_view",
    "resolve_release",
]

logger = logging.getLogger(__name__)

OUTER = "outer"
PEFT_CONFIG = "adapter_config.json"
HEAVY_SUFFIXES = (".safetensors", ".bin", ".pt")


@dataclass(frozen=True, kw_only=True)
class AgentFiles:
    """Where one agent's files are."""

    role: str
    repo_id: str
    """Where the model comes from."""
    revision: str | None
    """A commit hash; None for a folder."""
    model_dir: Path
    """The folder of model and tokenizer."""
    inner_link: Path | None
    """None for one that starts untrained."""
    inner_variant: str
    """The kind of inner link, as the release names it."""
    inner_repo_id: str | None = None
    """Where the inner link comes from."""
    model_files: tuple[str, ...] = ()
    """The files in `model_dir` that decide what the model reads and writes."""
    verified: frozenset[str] = field(default=frozenset(), compare=False)
    """Those of them that have the SHA-256 that the hub says."""
    inner_verified: bool = field(default=False, compare=False)
    """Whether the inner link's file has the SHA-256 that the hub says."""


@dataclass(frozen=True, kw_only=True)
class LinkFile:
    """Where one outer link's file is, and what a manifest says of it, None where none says it."""

    path: Path | None
    """None for a link that starts untrained."""
    variant: str | None = None
    """The kind of outer link, as the release names it."""
    in_dim: int | None = None
    """Features of its source."""
    out_dim: int | None = None
    """Features of its target."""
    repo_id: str | None = None
    """Where it comes from."""
    revision: str | None = None
    """A commit hash; None for a folder."""
    verified: bool = field(default=False, compare=False)
    """Whether the file has the SHA-256 that the hub says."""


@dataclass(frozen=True, kw_only=True)
class ReleaseFiles:
    """All files of a system."""

    agents: dict[str, AgentFiles]
    """By role."""
    links: dict[tuple[str, str], LinkFile]
    """The outer links, by (source, target)."""
    source: str
    """Which release they are of."""
    sizes: Mapping[Path, int] = field(default_factory=dict, compare=False)
    """The bytes of every file that a run needs, by where it is or would lie, as the release says."""

    def weight_bytes(self, role: str) -> int:
        """The size of an agent's model weights."""
        files = self.agents[role]
        paths = [files.model_dir / name for name in files.model_files if name.endswith(HEAVY_SUFFIXES)]
        return sum(self.sizes.get(path, 0) for path in paths)


def resolve_release(
    style: Style,
    task: Task,
    *,
    release: str | Path = "hub",
    overrides: Mapping[str, str | Path] | None = None,
    revision: str | Mapping[str, str] | None = None,
    trust_remote_code: bool = False,
    download_weights: bool = True,
) -> ReleaseFiles:
    """Find, and on the hub download, what a style needs for a task.

    `release` is `hub`, `toy`, or a folder that holds `RecursiveMAS/<repo>` or `<repo>`. `overrides` maps a
    role to a folder with a full model (its inner link is used if it has one) or with an inner link alone, and
    `outer` to a folder of outer links; what is overridden is not asked for in the release. `revision` is a
    branch, tag or commit for every repository, or a mapping from repository to one. `trust_remote_code`
    fetches the repositories' own Python files, too. Without `download_weights` only configurations and
    tokenizers are downloaded, and the paths say where weights and links would lie.

    Raises ReleaseError, with what to do about it.
    """
    link_set = style.link_set(task)
    source = _pin(style, open_release(release), revision)
    own = _open_overrides(style, link_set, overrides or {})
    repos = open_all(_needed_repositories(style, link_set, own), source)
    agents, links = {}, {}
    wanted: list[tuple[Repository, str]] = []
    for agent in style.agents:
        model = _choose_model(agent, own.get(agent.role), repos.get(agent.repo))
        inner = _choose_inner_link(agent, link_set, own.get(agent.role), repos.get(agent.repo))
        files = [*companion_files(model, with_code=trust_remote_code), *weight_files(model)]
        agents[agent.role] = _agent_files(agent.role, model, files, inner)
        wanted += [(model, name) for name in files]
        wanted += [inner] if inner else []
    for link in style.links:
        outer = _choose_outer_link(link, link_set, own.get(OUTER), repos.get(_repository_of(link, style)))
        links[link.source, link.target] = _link_file(outer)
        wanted += [(outer[0], outer[1].filename)] if outer else []
    sizes = {repo.path(name): repo.sizes[name] for repo, name in wanted}
    wanted = [(repo, name) for repo, name in wanted if download_weights or not name.endswith(HEAVY_SUFFIXES)]
    fetch(wanted)
    verify(wanted)
    _tell_inner_links(agents, own)
    return ReleaseFiles(agents=agents, links=links, source=str(source), sizes=sizes)


@contextmanager
def model_view(model_dir: Path) -> Iterator[Path]:
    """A temporary folder of links to a model's files, without its adapter_config.json, to load it from.

    With peft installed, `from_pretrained` takes an adapter_config.json for one of peft's and fails; in a
    release that name belongs to the inner link. What is loaded from the view outlives it.
    """
    with tempfile.TemporaryDirectory(prefix="recursivemas-") as parent:
        view = Path(parent) / model_dir.resolve().name
        view.mkdir()
        for path in model_dir.iterdir():
            if path.name != PEFT_CONFIG:
                (view / path.name).symlink_to(path.resolve())
        yield view


# ---------------------------------------------------------------------------------------------------------
# What is asked for


def _pin(style: Style, release: Release, revision: str | Mapping[str, str] | None) -> Release:
    """The release at a revision. Raises ReleaseError where there is no such choice."""
    if not revision:
        return release
    if not isinstance(release, HubRelease):
        raise ReleaseError(f"revision {revision!r} cannot be pinned in {release}, only on the hub; drop it")
    if isinstance(revision, Mapping):
        repos = {agent.repo for agent in style.agents} | {_repository_of(link, style) for link in style.links}
        known = {full_name(repo) for repo in repos if repo}
        if unknown := sorted(repo for repo in revision if full_name(repo) not in known):
            raise ReleaseError(
                f"a revision is given for {unknown[0]!r}, which is no repository of {style.name}; they are "
                f"{', '.join(sorted(known))}"
            )
    return HubRelease(revision)


def _open_overrides(
    style: Style, link_set: str | None, overrides: Mapping[str, str | Path]
) -> dict[str, Repository]:
    own = {}
    for key, value in overrides.items():
        known = (*style.roles, OUTER)
        if key not in known:
            raise ReleaseError(
                f"override {key}={value}: {style.name} has no {key!r}{did_you_mean(key, known)}; accepted "
                f"are {', '.join(known)}"
            )
        folder = Path(value).expanduser()
        if not folder.is_dir():
            raise ReleaseError(f"override {key}={value}: there is no such folder; give an existing one")
        own[key] = open_folder(folder)
        if key != OUTER and not has_model(own[key]) and find_inner_link(own[key], link_set) is None:
            raise ReleaseError(
                f"override {key}={value}: the folder holds neither a model (config.json and weights) nor an "
                f"inner link ({', '.join(inner_names(link_set))}){_links_held(own[key])}"
            )
    return own


def _needed_repositories(style: Style, link_set: str | None, own: Mapping[str, Repository]) -> set[str]:
    """The release's repositories that overrides leave something to do for."""
    needed = set()
    for agent in style.agents:
        folder = own.get(agent.role)
        model_given = folder is not None and has_model(folder)
        link_given = folder is not None and find_inner_link(folder, link_set) is not None
        if not model_given or not (link_given or agent.fresh_inner_link):
            needed.add(agent.repo)
    if OUTER not in own:
        needed |= {_repository_of(link, style) for link in style.links if not link.fresh}
    return needed


# ---------------------------------------------------------------------------------------------------------
# Choices


def _choose_model(agent: AgentSpec, folder: Repository | None, release: Repository | None) -> Repository:
    if folder is not None and has_model(folder):
        return folder
    assert release is not None, f"{agent.repo} was not opened"
    return release


def _choose_inner_link(
    agent: AgentSpec, link_set: str | None, folder: Repository | None, release: Repository | None
) -> tuple[Repository, str] | None:
    """The override's inner link, else the release's; None for one that starts untrained."""
    if agent.fresh_inner_link:
        release = None
    looked_at = [repo for repo in (folder, release) if repo is not None]
    for repo in looked_at:
        if name := find_inner_link(repo, link_set):
            return repo, name
    if agent.fresh_inner_link:
        return None
    repo = looked_at[-1]
    raise ReleaseError(
        f"{repo.where} holds no inner link for {agent.role}: no innerlink_config.json names "
        f"one{_for_set(link_set)}, and there is no {' or '.join(inner_names(link_set))}{_links_held(repo)}. "
        f"{repo.missing_advice} A folder with a link of your own can be given as the override "
        f"{agent.role}=FOLDER."
    )


def _tell_inner_links(agents: Mapping[str, AgentFiles], own: Mapping[str, Repository]) -> None:
    """Say which inner link a model of one's own gets: one that was trained for another is a poor guess."""
    for role, folder in own.items():
        if role == OUTER or not has_model(folder):
            continue
        files = agents[role]
        if files.inner_link is None:
            logger.warning("%s: your model %s gets an untrained inner link", role, folder.folder)
        elif files.inner_link.parent == folder.folder:
            logger.warning(
                "%s: your model %s gets its own inner link, %s", role, folder.folder, files.inner_link.name
            )
        else:
            logger.warning(
                "%s: your model %s has no inner link and gets the release's, %s of %s, which was trained "
                "with another model; put an adapter.pt of its own beside it to use that",
                *(role, folder.folder, files.inner_link.name, files.inner_repo_id),
            )


def _choose_outer_link(
    link: LinkSpec, link_set: str | None, folder: Repository | None, release: Repository | None
) -> tuple[Repository, OuterEntry] | None:
    """The override's outer link, else the release's; None for one that starts untrained."""
    repo = folder if folder is not None else None if link.fresh else release
    if repo is not None and (entry := find_outer_link(repo, link, link_set)):
        return repo, entry
    if link.fresh:
        return None
    assert repo is not None, f"the repository of {link} was not opened"
    keys = ", ".join(outer_keys(repo, link_set)) or "nothing"
    raise ReleaseError(
        f"{repo.where} holds no outer link {link}: its outerlink_config.json{_for_set(link_set)} lists "
        f"{keys}, not {link.key}, and there is no "
        f"{' or '.join(outer_names(link, link_set))}{_links_held(repo)}. {repo.missing_advice} A folder with "
        f"links of your own can be given as the override {OUTER}=FOLDER."
    )


def _agent_files(
    role: str, model: Repository, files: Sequence[str], inner: tuple[Repository, str] | None
) -> AgentFiles:
    return AgentFiles(
        role=role,
        repo_id=model.repo_id,
        revision=model.revision,
        model_dir=model.folder,
        inner_link=inner[0].path(inner[1]) if inner else None,
        inner_variant=inner_variant(inner[0]) if inner else DEFAULT_INNER_VARIANT,
        inner_repo_id=inner[0].repo_id if inner else None,
        model_files=tuple(sorted(files)),
        verified=frozenset(model.sha256) & frozenset(files),
        inner_verified=inner is not None and inner[1] in inner[0].sha256,
    )


def _link_file(outer: tuple[Repository, OuterEntry] | None) -> LinkFile:
    if outer is None:
        return LinkFile(path=None)
    repo, entry = outer
    return LinkFile(
        path=repo.path(entry.filename),
        variant=entry.variant,
        in_dim=entry.in_dim,
        out_dim=entry.out_dim,
        repo_id=repo.repo_id,
        revision=repo.revision,
        verified=entry.filename in repo.sha256,
    )


def _repository_of(link: LinkSpec, style: Style) -> str:
    """The repository of an outer link; empty for one that starts untrained and has none."""
    return link.repo or style.outer_repo or ""


def _for_set(link_set: str | None) -> str:
    return f" for the link set {link_set}" if link_set else ""


def _links_held(repo: Repository) -> str:
    held = [name for name in sorted(repo.sizes) if name.endswith(".pt")]
    return f" (it holds {', '.join(held)})" if held else " (it holds no .pt file at all)"

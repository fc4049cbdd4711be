"""The names of the published `hf_resolver.py`: repositories and the link files in them."""

from __future__ import annotations

from pathlib import Path

from recursivemas.benchmarks import BENCHMARKS, find_benchmark
from recursivemas.release.errors import ReleaseError
from recursivemas.release.manifests import find_inner_link, find_outer_link, inner_names, outer_keys
from recursivemas.release.names import full_name
from recursivemas.release.repositories import Repository, fetch, open_folder, open_on_hub
from recursivemas.styles import PUBLISHED_STYLES, LinkSpec

MEDQA = "medqa"


def snapshot_repo(repo_id: str, revision: str | None = None) -> Path:
    """All files of a repository of the hub, in its cache: the folder that they lie in.

    A bare name is in the release's organisation. Raises ReleaseError.
    """
    repo = open_on_hub(full_name(repo_id), revision)
    fetch((repo, name) for name in repo.sizes)
    return repo.folder


def resolve_inner_adapter(repo_dir: str | Path, task: str | None = None) -> Path:
    """The inner link's file in a folder, for a task (`math`, `code`; None where there is only one).

    Raises ReleaseError where there is none.
    """
    repo = _open(repo_dir)
    name = find_inner_link(repo, task)
    if name is None:
        raise ReleaseError(
            f"{repo.where} holds no inner link: no innerlink_config.json names one, and there is no "
            f"{' or '.join(inner_names(task))}. {repo.missing_advice}"
        )
    return repo.path(name)


def resolve_outer_paths(outer_dir: str | Path, *, task: str | None = None) -> dict[str, Path]:
    """The outer links' files in a folder by their keys (`outer_12`), for a task.

    Keys come from its manifest, or else from the published style whose links lie there by name. Raises
    ReleaseError where there are none.
    """
    repo = _open(outer_dir)
    listed = tuple(LinkSpec(source="", target="", slot="", key=key) for key in outer_keys(repo, task))
    for links in (listed, *(style.links for style in PUBLISHED_STYLES.values())):
        found = {link.key: find_outer_link(repo, link, task) for link in links}
        entries = {key: repo.path(entry.filename) for key, entry in found.items() if entry}
        if entries and len(entries) == len(links):
            return entries
    raise ReleaseError(
        f"{repo.where} holds no outer links: no outerlink_config.json lists any, and its files are named "
        f"like no published style's. {repo.missing_advice}"
    )


def infer_adapter_task_for_dataset(dataset: str) -> str:
    """`code` for the code benchmarks, else `math`. Raises DatasetError for an unknown dataset."""
    return find_benchmark(dataset).task


def task_for_inner_repo(repo_id: str, task: str) -> str | None:
    """The task to look for in an agent's repository: None for the styles that have one link set for all."""
    name = repo_id.rpartition("/")[2]
    for style in PUBLISHED_STYLES.values():
        if any(agent.repo == name for agent in style.agents):
            return style.link_set(task)
    return task


def resolve_medqa_dataset_arg(dataset: str) -> str:
    """What to load for a dataset's name: for `medqa`, which is on no hub, the path of its local file."""
    return str(BENCHMARKS[MEDQA].local_path) if dataset == MEDQA else dataset


def _open(folder: str | Path) -> Repository:
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ReleaseError(
            f"there is no folder {path}; give the folder of a repository, as snapshot_repo does"
        )
    return open_folder(path)

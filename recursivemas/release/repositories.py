"""Releases and their repositories: on the hub through huggingface_hub, or in a folder.

Nothing of the client is bypassed, so its cache, HF_ENDPOINT, HF_TOKEN, HF_HUB_CACHE and HF_HUB_OFFLINE all
work. A repository is opened first (its commit, the names of its files, its small manifests), so that what is
needed can be chosen; then the chosen files of all repositories are fetched side by side.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, get_token, hf_hub_download, snapshot_download
from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import tqdm as hub_tqdm

from recursivemas.files.digests import digests
from recursivemas.files.disk_cache import DiskCache, user_cache
from recursivemas.files.thread_pools import thread_pool
from recursivemas.files.toy_release import TRAINED_TOY
from recursivemas.output.redaction import keep_secret
from recursivemas.release.answers import Listing, guard_client
from recursivemas.release.errors import CLIENT_ERRORS, ReleaseError, explain, http_status, in_words
from recursivemas.release.names import full_name
from recursivemas.release.patience import HostUnreachableError
from recursivemas.styles import HUB_ORGANISATION

logger = logging.getLogger(__name__)

MANIFESTS = (
    "config.json",
    "innerlink_config.json",
    "adapter_config.json",
    "outerlink_config.json",
    "outer_adapter_config.json",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
)
"""Small files that say which other files are needed."""

NUM_WORKERS = 8


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository whose manifests are at hand."""

    name: str
    """`owner/name`, or the path of a folder."""
    repo_id: str
    """What it is known as: `owner/name` also for a folder in a release, the path for a folder of one's own.
    """
    folder: Path
    """Where its files are, or will be once fetched."""
    sizes: Mapping[str, int]
    """The bytes of its files, which are relative to `folder`, with forward slashes."""
    revision: str | None = None
    """The commit hash on the hub, None for a folder."""
    cache_only: bool = False
    """The hub was not asked: `sizes` has what the cache holds, which may be less than the repository does."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """What the hub says of the content of those files that it stores as large ones."""
    lacking: frozenset[str] = frozenset()
    """What is known to be missing."""

    def __contains__(self, filename: str) -> bool:
        return filename in self.sizes

    def path(self, filename: str) -> Path:
        return self.folder / filename

    @property
    def where(self) -> str:
        """The repository in an error message."""
        return self.name if self.revision is None else f"{self.name} (revision {self.revision})"

    @property
    def missing_advice(self) -> str:
        """What to do when a file that should be there is not."""
        if self.cache_only:
            return (
                f"Only the cache {constants.HF_HUB_CACHE} was looked at, and it may hold the repository in "
                "part: run once with a connection and without HF_HUB_OFFLINE to complete it."
            )
        if self.revision is not None:
            return "Check the repository's name and revision, or override it with a folder of your own."
        return "Is the folder complete? Copy or build it again, or give another one."

    def damage_advice(self, filename: str) -> str:
        """What to do when a file is damaged."""
        if self.revision is None:
            return "Delete it, and copy or build it again."
        return (
            f"Delete {self.path(filename).resolve()} and run again to download it anew; if it comes back the "
            "same, the repository itself is damaged: pin another revision, or tell its publisher."
        )


# ---------------------------------------------------------------------------------------------------------
# Releases


@dataclass(frozen=True)
class HubRelease:
    """The repositories of the hub; `revisions` is one for all, or a mapping from repository to revision."""

    revisions: str | Mapping[str, str] | None = None

    def __str__(self) -> str:
        return f"hub ({constants.ENDPOINT})"

    def open(self, repo: str) -> Repository:
        revision = self.revisions
        if isinstance(revision, Mapping):
            revision = revision.get(repo, revision.get(full_name(repo)))
        return open_on_hub(full_name(repo), revision)


@dataclass(frozen=True)
class FolderRelease:
    """A folder that holds `owner/name` or `name` for each repository."""

    folder: Path
    name: str

    def __str__(self) -> str:
        return self.name

    def open(self, repo: str) -> Repository:
        places = [self.folder / full_name(repo), self.folder / repo.rpartition("/")[2]]
        for place in places:
            if place.is_dir():
                return open_folder(place, full_name(repo))
        raise ReleaseError(
            f"the release {self.name} does not hold {repo}: neither {places[0]} nor {places[1]} is a folder. "
            "Copy the repository there, give another release, or override it with a folder of your own."
        )


Release = HubRelease | FolderRelease


def open_release(release: str | Path) -> Release:
    """`hub`, `toy` (it comes with the package), `toy-random` (built first if need be), or an existing folder.

    Raises ReleaseError for anything else.
    """
    if release == "hub":
        return HubRelease()
    if release == "toy":
        return FolderRelease(TRAINED_TOY, f"toy ({TRAINED_TOY})")
    if release == "toy-random":
        from recursivemas.zoo import ensure

        folder = ensure()
        return FolderRelease(folder, f"toy-random ({folder})")
    folder = Path(release).expanduser()
    if not folder.is_dir():
        raise ReleaseError(
            f"release {str(release)!r} is not known. Accepted are hub, toy, toy-random, and an existing "
            f"folder that holds {HUB_ORGANISATION}/<repository> or <repository>."
        )
    return FolderRelease(folder, str(folder))


def open_all(names: Iterable[str], release: Release) -> dict[str, Repository]:
    """Repositories by the names that a style gives them, opened side by side. Raises ReleaseError."""
    names = list(names)
    with thread_pool(NUM_WORKERS) as pool:
        return dict(zip(names, pool.map(lambda name: _open(name, release), names), strict=True))


def _open(repo: str, release: Release) -> Repository:
    """A folder if `repo` is written as a path or is an existing `owner/name`, else in the release."""
    path = Path(repo).expanduser()
    written_as_path = repo.startswith((".", "~")) or path.is_absolute()
    if path.is_dir() and (written_as_path or "/" in repo):
        return open_folder(path)
    if written_as_path:
        raise ReleaseError(f"the repository {repo!r} is written as a path, but there is no such folder")
    return release.open(repo)


# ---------------------------------------------------------------------------------------------------------
# Opening


def open_folder(folder: Path, repo_id: str | None = None) -> Repository:
    """A folder as a repository; files at most one level down count. It is its own id unless one is given."""
    return Repository(
        name=str(folder),
        repo_id=repo_id or str(folder),
        folder=folder.absolute(),
        sizes=_list_folder(folder),
    )


def open_on_hub(repo_id: str, revision: str | None = None) -> Repository:
    """A repository of the hub at a branch, tag or commit (`main` by default), its manifests in the cache.

    Two metadata requests once the manifests are cached. When the hub cannot be reached, what is in the cache
    is used, with a warning (without one when HF_HUB_OFFLINE asks for it). Raises ReleaseError.
    """
    keep_secret(get_token())  # which may come from a file
    try:
        guard_client()
        # The snapshot also notes which commit the revision stands for, which offline runs rely on.
        snapshot = snapshot_download(
            repo_id, revision=revision, allow_patterns=list(MANIFESTS), tqdm_class=_SilentBar
        )
        folder = Path(snapshot)
        listing = _list_on_hub(repo_id, commit=folder.name)
    except ReleaseError:
        raise
    except CLIENT_ERRORS as error:
        raise explain(error, repo_id, revision) from error
    except Exception as error:  # an answer of another shape makes the client fail in any way there is
        raise ReleaseError(
            f"{constants.ENDPOINT} answered with something that is no listing of {repo_id} "
            f"({in_words(error)}). Is that a hub? Check HF_ENDPOINT, or use a release folder."
        ) from error
    held = _list_folder(folder)
    if listing is None:
        listing = _kept_listing(repo_id, folder.name)
        return Repository(
            name=repo_id,
            repo_id=repo_id,
            folder=folder,
            sizes=held,
            revision=folder.name,
            cache_only=True,
            sha256=listing.sha256,
            lacking=frozenset(listing.sizes) - frozenset(held),
        )
    _listings().put([repo_id, folder.name], asdict(listing))
    return Repository(
        name=repo_id,
        repo_id=repo_id,
        folder=folder,
        sizes=listing.sizes,
        revision=folder.name,
        sha256=listing.sha256,
    )


def _listings() -> DiskCache:
    """What hubs said, for when they cannot be asked: a commit's files never change."""
    return DiskCache(user_cache() / "listings")


def _kept_listing(repo_id: str, commit: str) -> Listing:
    """What the hub said of a commit when it was last asked; empty where it never was."""
    kept = _listings().get([repo_id, commit]) or {}
    sizes, sha256 = kept.get("sizes"), kept.get("sha256")
    if not isinstance(sizes, dict) or not isinstance(sha256, dict):
        return Listing({})
    return Listing(sizes, sha256)


def _list_on_hub(repo_id: str, commit: str) -> Listing | None:
    """The files of a commit; None when the hub cannot be asked."""
    try:
        info = HfApi().model_info(repo_id, revision=commit, files_metadata=True)
    except (OfflineModeIsEnabled, HTTPError) as error:
        if isinstance(error, HTTPError) and (http_status(error) or 500) < 500:
            raise
        if isinstance(error, OfflineModeIsEnabled) and not isinstance(error, HostUnreachableError):
            return None  # it was asked for
        logger.warning(
            "%s cannot be reached (%s); %s is taken from the cache %s at commit %s",
            *(constants.ENDPOINT, in_words(error), repo_id, constants.HF_HUB_CACHE, commit),
        )
        return None
    return Listing.of(info.siblings)


def _list_folder(folder: Path) -> dict[str, int]:
    paths = [path for path in (*folder.glob("*"), *folder.glob("*/*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


# ---------------------------------------------------------------------------------------------------------
# Fetching


def fetch(wanted: Iterable[tuple[Repository, str]]) -> None:
    """Download what is not there yet, files of all repositories side by side, with one bar on stderr.

    Files that are in place cost no request. On an error the other downloads are given up.
    Raises ReleaseError.
    """
    missing = {repo.path(name): (repo, name) for repo, name in wanted if not repo.path(name).is_file()}
    if not missing:
        return
    # Small ones first: a download cut short then lacks weights, which is noticed, not a tokenizer's file.
    queue = sorted(missing.values(), key=lambda item: item[0].sizes[item[1]])
    stop = threading.Event()
    progress = hub_tqdm(
        total=sum(repo.sizes[name] for repo, name in queue),
        desc=f"Downloading {len(queue)} files",
        unit="B",
        unit_scale=True,
    )
    with progress, thread_pool(NUM_WORKERS) as pool:
        bar = _bar_feeding(progress, stop)
        futures = [pool.submit(_fetch_one, repo, name, bar) for repo, name in queue]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def verify(wanted: Iterable[tuple[Repository, str]]) -> None:
    """Hold fetched files against what the hub says of them. Raises ReleaseError for one that is another."""
    said = {
        repo.path(name): (repo, name)
        for repo, name in wanted
        if name in repo.sha256 and repo.path(name).is_file()
    }
    for path, sha256 in digests(said).items():
        repo, name = said[path]
        if sha256 != repo.sha256[name]:
            raise ReleaseError(
                f"{path} is not the file that the hub has: its SHA-256 is {sha256}, and {constants.ENDPOINT} "
                f"says {repo.sha256[name]} of {name} in {repo.where}. {repo.damage_advice(name)}"
            )


def _fetch_one(repo: Repository, filename: str, bar: type[hub_tqdm]) -> None:
    try:
        guard_client()
        hf_hub_download(repo.name, filename, revision=repo.revision, tqdm_class=bar)
    except ReleaseError:
        raise
    except CLIENT_ERRORS as error:
        raise explain(error, repo.name, repo.revision, filename) from error


class _SilentBar(hub_tqdm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "disable": True})


class _AbandonedError(Exception):
    """Another download failed, so this one is not needed any more."""


def _bar_feeding(progress: hub_tqdm, stop: threading.Event) -> type[hub_tqdm]:
    """A class of invisible bars, one a file, that move `progress`.

    Once `stop` is set they raise instead: the only way to end a download that runs in a thread.
    """

    class FileBar(_SilentBar):
        def update(self, n: float | None = 1) -> None:
            if stop.is_set():
                raise _AbandonedError
            progress.update(n)

        # Newer clients count bytes received beside bytes written; one count is enough.
        def update_transfer(self, n: float | None = 1) -> None: ...

        def set_transfer_postfix_str(self, *args: Any, **kwargs: Any) -> None: ...

    return FileBar

"""Which files of a repository are needed: weights, tokenizer, and the links that its manifests name.

Manifests come first, the published naming convention after them. What both miss is the caller's to report:
a finder returns None then. A manifest that is damaged is a ReleaseError at once.

Source: docs/protocol.md, "Repositories".
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, TypeVar

from pydantic import Field

from recursivemas.errors import unreadable
from recursivemas.release.errors import ReleaseError
from recursivemas.release.repositories import Repository
from recursivemas.styles import DEFAULT_INNER_VARIANT, LinkSpec
from recursivemas.values import Count, Text, convert

WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""Forms in which a model's weights come, the preferred one first; an index names the shards."""

COMPANION_SUFFIXES = frozenset({".json", ".jinja", ".txt", ".model", ".tiktoken"})
"""Configuration, tokenizer, generation defaults and chat templates."""

CHAT_TEMPLATES = "additional_chat_templates"
TOKENIZER_CONFIG = "tokenizer_config.json"
GENERATION_CONFIG = "generation_config.json"
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
"""Files one of which holds a tokenizer's vocabulary, besides `.tiktoken` files."""
OUTER_FORMAT_VERSION = 1
INNER_MANIFEST = "innerlink_config.json"
OUTER_MANIFEST = "outerlink_config.json"

T = TypeVar("T")
EntryT = TypeVar("EntryT")


# ---------------------------------------------------------------------------------------------------------
# What manifests say. Publishers may write more than is read here.


@dataclass(frozen=True, kw_only=True)
class WeightIndex:
    """Which shard holds each of a model's tensors."""

    weight_map: Annotated[Mapping[Text, Text], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class LinkConfig:
    """What `adapter_config.json` and `outer_adapter_config.json` say of their repository's links."""

    adapter_type: Text | None = None


@dataclass(frozen=True, kw_only=True)
class InnerTask:
    filename: Annotated[Text, Field(alias="adapter.pt")]


@dataclass(frozen=True, kw_only=True)
class InnerManifest:
    tasks: Mapping[Text, InnerTask]
    """By link set."""


@dataclass(frozen=True, kw_only=True)
class OuterAdapter:
    filename: Text
    legacy_key: Text | None = None
    """The link's key, such as `outer_12`."""
    adapter_type: Text | None = None
    in_dim: Count | None = None
    out_dim: Count | None = None


@dataclass(frozen=True, kw_only=True)
class OuterTask:
    adapters: tuple[OuterAdapter, ...]


@dataclass(frozen=True, kw_only=True)
class OuterManifest:
    """Links in one list, or a list a link set."""

    adapters: tuple[OuterAdapter, ...] | None = None
    tasks: Mapping[Text, OuterTask] | None = None


@dataclass(frozen=True, kw_only=True)
class OuterEntry:
    """An outer link's file; variant and dimensions are None where no manifest says them."""

    filename: str
    variant: str | None = None
    in_dim: int | None = None
    out_dim: int | None = None


# ---------------------------------------------------------------------------------------------------------
# The model


def has_model(repo: Repository) -> bool:
    """Whether a repository holds a base model, rather than links alone."""
    return "config.json" in repo and any(name in repo for name in WEIGHTS)


def weight_files(repo: Repository) -> list[str]:
    """The files of one form of the weights, index included.

    Raises ReleaseError when there are none, or when a shard that the index names is missing.
    """
    form = next((name for name in WEIGHTS if name in repo), None)
    if form is None or "config.json" not in repo:
        missing = f"weights (one of {', '.join(WEIGHTS)})" if form is None else "config.json"
        raise ReleaseError(
            f"{repo.where} holds no {missing}, so no model can be loaded from it. {repo.missing_advice}"
        )
    if not form.endswith(".index.json"):
        return [form]
    shards = set(_read_as(WeightIndex, repo, form).weight_map.values())
    names = sorted({_safe_name(repo, form, name) for name in shards})
    missing_shards = [name for name in names if name not in repo]
    if missing_shards:
        raise ReleaseError(
            f"{repo.where} lacks {', '.join(missing_shards)}, which {form} names. {repo.missing_advice}"
        )
    return [form, *names]


def companion_files(repo: Repository, *, with_code: bool) -> list[str]:
    """What a model needs beside its weights; Python files only `with_code` (trust_remote_code).

    Raises ReleaseError when some of it is missing.
    """

    def is_companion(path: PurePosixPath) -> bool:
        if path.suffix == ".py":
            return with_code
        at_home = len(path.parts) == 1 or path.parts[0] == CHAT_TEMPLATES
        return at_home and path.suffix in COMPANION_SUFFIXES and not path.name.endswith(".index.json")

    found = [name for name in sorted(repo.sizes) if is_companion(PurePosixPath(name))]
    _check_companions(repo, found, {name for name in repo.lacking if is_companion(PurePosixPath(name))})
    return found


def _check_companions(repo: Repository, found: Collection[str], lacking: Collection[str]) -> None:
    """Raise ReleaseError for a model that would load without a file, and then read or write other texts.

    transformers makes do without any of these: a tokenizer of two tokens, another token that ends a text,
    other defaults for sampling.
    """
    if lacking:
        raise ReleaseError(
            f"{repo.where} lacks {', '.join(sorted(lacking))}, which its publisher lists. "
            f"{repo.missing_advice}"
        )
    if TOKENIZER_CONFIG not in found:
        raise ReleaseError(
            f"{repo.where} holds no {TOKENIZER_CONFIG}, which says what ends a text. {repo.missing_advice}"
        )
    if not any(name in VOCABULARIES or name.endswith(".tiktoken") for name in found):
        raise ReleaseError(
            f"{repo.where} holds no tokenizer (one of {', '.join(VOCABULARIES)}), so no text could be read. "
            f"{repo.missing_advice}"
        )
    whole_listing = repo.revision is not None and not repo.cache_only
    if GENERATION_CONFIG not in found and not whole_listing:
        raise ReleaseError(
            f"{repo.where} holds no {GENERATION_CONFIG}, from which sampling takes what is not set. "
            f"{repo.missing_advice} If the model has none, write {{}} into {repo.path(GENERATION_CONFIG)}."
        )


# ---------------------------------------------------------------------------------------------------------
# Links


def inner_names(link_set: str | None) -> list[str]:
    """The file names that an inner link has by convention, the most specific one first."""
    return [f"adapter({link_set}).pt", "adapter.pt"] if link_set else ["adapter.pt"]


def find_inner_link(repo: Repository, link_set: str | None) -> str | None:
    """The file of the inner link for a link set (None: the repository's only one)."""
    if INNER_MANIFEST in repo:
        tasks = _read_as(InnerManifest, repo, INNER_MANIFEST).tasks
        task = _of_link_set(repo, tasks, link_set)
        if task is not None:
            return _present(repo, INNER_MANIFEST, task.filename)
    return next((name for name in inner_names(link_set) if name in repo), None)


def _of_link_set(repo: Repository, tasks: Mapping[str, EntryT], link_set: str | None) -> EntryT | None:
    """What a manifest's "tasks" says of a link set; None if nothing. Without a link set, what all say."""
    if link_set is not None:
        return tasks.get(link_set)
    entries = list(tasks.values())
    if any(entry != entries[0] for entry in entries):
        raise ReleaseError(
            f"{repo.where} has links for each of {', '.join(tasks)}, but the style names no link_sets, so "
            f"none can be chosen. Give the style link_sets: [{', '.join(tasks)}]."
        )
    return entries[0] if entries else None


def inner_variant(repo: Repository) -> str:
    """The variant of a repository's inner link, by its adapter_config.json."""
    return _adapter_type(repo, "adapter_config.json") or DEFAULT_INNER_VARIANT


def outer_names(link: LinkSpec, link_set: str | None) -> list[str]:
    """The file names that an outer link has by convention, the most specific one first."""
    stem = f"{link.source.title()}-{link.target.title()}-Outerlink"
    names = [f"{stem}({link_set}).pt"] if link_set else []
    return [*names, f"{stem}.pt", *([f"{link.key}.pt"] if link.key else [])]


def find_outer_link(repo: Repository, link: LinkSpec, link_set: str | None) -> OuterEntry | None:
    """The file of an outer link, by its key in the manifest, else by convention."""
    fallback_variant = _adapter_type(repo, "outer_adapter_config.json")
    if OUTER_MANIFEST in repo:
        entry = _outer_link_in_manifest(repo, link, link_set, fallback_variant)
        if entry is not None:
            return entry
    for name in outer_names(link, link_set):
        if name in repo:
            return OuterEntry(filename=name, variant=fallback_variant)
    return None


def outer_keys(repo: Repository, link_set: str | None) -> list[str]:
    """The keys that the manifest of outer links lists for a link set; empty without a manifest."""
    if OUTER_MANIFEST not in repo:
        return []
    return [adapter.legacy_key for adapter in _outer_adapters(repo, link_set) if adapter.legacy_key]


def _outer_link_in_manifest(
    repo: Repository, link: LinkSpec, link_set: str | None, fallback_variant: str | None
) -> OuterEntry | None:
    adapters = _outer_adapters(repo, link_set)
    found = [adapter for adapter in adapters if link.key and adapter.legacy_key == link.key]
    if len(found) > 1 and link_set:
        found = [adapter for adapter in found if adapter.filename.endswith(f"({link_set}).pt")] or found
    if not found:
        return None
    if len(found) > 1:
        raise _damaged(repo, OUTER_MANIFEST, f"it lists the key {link.key} more than once")
    return OuterEntry(
        filename=_present(repo, OUTER_MANIFEST, found[0].filename),
        variant=found[0].adapter_type or fallback_variant,
        in_dim=found[0].in_dim,
        out_dim=found[0].out_dim,
    )


def _outer_adapters(repo: Repository, link_set: str | None) -> tuple[OuterAdapter, ...]:
    """The manifest's entries for a link set, in either of its forms."""
    data = _read(repo, OUTER_MANIFEST)
    version = data.get("format_version", OUTER_FORMAT_VERSION)
    if version != OUTER_FORMAT_VERSION:
        raise ReleaseError(
            f"{repo.path(OUTER_MANIFEST)} has format_version {version!r}; this version of recursivemas reads "
            f"{OUTER_FORMAT_VERSION}. Update recursivemas, or pin an older revision of {repo.name}."
        )
    manifest = _convert(OuterManifest, data, repo, OUTER_MANIFEST)
    if manifest.tasks is None and manifest.adapters is None:
        raise _damaged(repo, OUTER_MANIFEST, 'it has no "adapters", neither at the top nor under "tasks"')
    task = _of_link_set(repo, manifest.tasks or {}, link_set)
    return (manifest.adapters or ()) if task is None else task.adapters


# ---------------------------------------------------------------------------------------------------------
# Reading and checking


def _read(repo: Repository, manifest: str) -> dict[str, Any]:
    path = repo.path(manifest)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise _damaged(repo, manifest, "it is nested too deeply to be read") from error
    except ValueError as error:
        raise _damaged(repo, manifest, f"it is not valid JSON, perhaps cut short ({error})") from error
    except OSError as error:
        raise ReleaseError(unreadable(path, error)) from error
    if not isinstance(data, dict):
        raise _damaged(repo, manifest, f"it holds a {type(data).__name__} instead of a mapping")
    return data


def _read_as(kind: type[T], repo: Repository, manifest: str) -> T:
    return _convert(kind, _read(repo, manifest), repo, manifest)


def _convert(kind: type[T], data: dict[str, Any], repo: Repository, manifest: str) -> T:
    try:
        return convert(kind, data)
    except ValueError as error:
        raise _damaged(repo, manifest, str(error)) from error


def _damaged(repo: Repository, manifest: str, what: str) -> ReleaseError:
    return ReleaseError(f"{repo.path(manifest)} is damaged: {what}. {repo.damage_advice(manifest)}")


def _safe_name(repo: Repository, manifest: str, name: str) -> str:
    """A file name as a manifest gives it, once it is known to stay inside the repository."""
    if not name:
        raise _damaged(repo, manifest, f"it gives {name!r} where a file name belongs")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise ReleaseError(
            f"{repo.path(manifest)} names the file {name!r}, which lies outside of its repository; it was "
            f"not read. Only names inside of it are accepted: do not use {repo.name} unless you trust it."
        )
    return path.as_posix()


def _present(repo: Repository, manifest: str, name: str) -> str:
    filename = _safe_name(repo, manifest, name)
    if filename not in repo:
        raise ReleaseError(
            f"{manifest} of {repo.where} names the link file {filename}, which is not there. "
            f"{repo.missing_advice}"
        )
    return filename


def _adapter_type(repo: Repository, manifest: str) -> str | None:
    if manifest not in repo:
        return None
    return _read_as(LinkConfig, repo, manifest).adapter_type

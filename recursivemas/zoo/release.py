"""Build the toy release: a folder in the published layout, the same bytes for the same versions."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import GenerationConfig, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from recursivemas.files.disk_cache import CACHE_VARIABLE, user_cache
from recursivemas.links import save_link
from recursivemas.styles import DEFAULT_INNER_VARIANT, HUB_ORGANISATION, PUBLISHED_STYLES, Style
from recursivemas.zoo import layout, weights
from recursivemas.zoo.backbones import Family
from recursivemas.zoo.corpus import generate_corpus
from recursivemas.zoo.tokenization import count_tokens, train_tokenizer

FORMAT_VERSION = 1
MARKER = "toy_release.json"
LIBRARIES = ("safetensors", "tokenizers", "torch", "transformers")


def build(directory: Path) -> Path:
    """Build the toy release into `directory` and return that folder, which then holds `RecursiveMAS/<repo>`.

    A toy release that is there already is replaced. The folder appears all at once, so that an interrupted
    build leaves nothing half. Raises FileExistsError when `directory` is something else than an empty folder
    or a toy release, and OSError when it cannot be written.
    """
    directory = Path(directory).expanduser().resolve()
    _check_may_replace(directory)
    with _workspace_beside(directory) as workspace:
        built = write_release(workspace / "built")
        if directory.exists():
            directory.rename(workspace / "replaced")
        built.rename(directory)
    return directory


def ensure() -> Path:
    """The toy release in the user's cache, built there on first use; its folder.

    The folder's name holds a fingerprint of everything that the release is made from. `RECURSIVEMAS_CACHE`
    moves the cache. Two processes that build at once do no harm: the first one's folder stays.
    Raises FileExistsError when something else has that name, and OSError when the cache cannot be written.
    """
    release = user_cache() / f"toy-{_fingerprint()}"
    if (release / MARKER).is_file():
        return release
    _check_may_replace(release)
    with _workspace_beside(release) as workspace:
        built = write_release(workspace / "built")
        try:
            built.rename(release)
        except OSError:
            if not (release / MARKER).is_file():
                raise
    return release


@contextmanager
def _workspace_beside(directory: Path) -> Iterator[Path]:
    """A temporary folder on the same file system, so that what is built there can be renamed into place."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        workspace = tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-")
    except OSError as error:
        raise OSError(
            f"the toy release cannot be written to {directory} ({error}); build it elsewhere with "
            f"`python -m recursivemas.zoo build DIR`, or set {CACHE_VARIABLE} to a folder that can be written"
        ) from error
    with workspace:
        yield Path(workspace.name)


def _check_may_replace(directory: Path) -> None:
    if not directory.exists() or (directory / MARKER).is_file():
        return
    if not directory.is_dir() or any(directory.iterdir()):
        raise FileExistsError(
            f"{directory} is neither an empty folder nor a toy release (it has no {MARKER}); nothing in it "
            "was touched, name a new folder for the toy release"
        )


def _fingerprint() -> str:
    """Of the builder's sources and the libraries that decide the bytes; 12 hex digits."""
    package = Path(__file__).parent
    sources = sorted([*package.glob("*.py"), *package.glob("templates/*.jinja")])
    sources += [package.parent / "links.py", *sorted((package.parent / "styles").glob("*.py"))]
    digest = hashlib.sha256(json.dumps(_versions()).encode())
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return f"{FORMAT_VERSION}-{digest.hexdigest()[:12]}"


def _versions() -> dict[str, str]:
    return {library: metadata.version(library) for library in LIBRARIES}


def write_release(root: Path) -> Path:
    """Write all of it into a new folder; returns the folder."""
    styles = PUBLISHED_STYLES.values()
    organisation = root / HUB_ORGANISATION
    total = sum(len(style.agents) + (style.outer_repo is not None) for style in styles)
    bar = tqdm(total=total, desc="building the toy release", unit="repo")
    with weights.isolated_torch(), no_transformers_bars(), bar as progress:
        for style in styles:
            for agent in style.agents:
                _write_role(organisation / agent.repo, style, agent.role)
                progress.update()
            if style.outer_repo is not None:
                _write_outer_links(organisation / style.outer_repo, style)
                progress.update()
    write_json(root / MARKER, {"format_version": FORMAT_VERSION, "built_with": _versions()})
    return root


@contextmanager
def no_transformers_bars() -> Iterator[None]:
    """One progress line is enough: saving a model would draw another one."""
    enabled = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            transformers_logging.enable_progress_bar()


def _write_role(folder: Path, style: Style, role: str) -> None:
    agent = layout.AGENTS[style.name][role]
    folder.mkdir(parents=True)
    corpus = list(generate_corpus(weights.seed_for(folder.name, "corpus")))
    tokenizer = train_tokenizer(
        agent.family.tokenizer, corpus, vocab_size=agent.vocab_size, max_length=agent.family.max_length
    )
    model = weights.make_backbone(
        agent.family,
        tokenizer,
        hidden_size=agent.hidden_size,
        token_counts=count_tokens(tokenizer, corpus),
        repo=folder.name,
    )
    model.generation_config = generation_config(agent.family, tokenizer)
    model.to(agent.dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if agent.second_weights:
        torch.save({"unused": torch.zeros(8)}, folder / "pytorch_model.bin")
    for name in layout.inner_link_names(style, role).values():
        save_link(weights.make_inner_link(agent.hidden_size, folder.name, name), folder / name)
    write_json(folder / layout.INNER_CONFIG, {"adapter_type": DEFAULT_INNER_VARIANT})
    if manifest := layout.inner_manifest(style, role):
        write_json(folder / layout.INNER_MANIFEST, manifest)


def generation_config(family: Family, tokenizer: PreTrainedTokenizerFast) -> GenerationConfig:
    stops = [tokenizer.eos_token_id, *tokenizer.convert_tokens_to_ids(list(family.stop_tokens))]
    return GenerationConfig(
        **family.generation,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=stops if len(stops) > 1 else stops[0],
        pad_token_id=tokenizer.pad_token_id,
    )


def _write_outer_links(folder: Path, style: Style) -> None:
    agents = layout.AGENTS[style.name]
    folder.mkdir(parents=True)
    link_sets: Sequence[str | None] = style.link_sets or (None,)
    for link_set in link_sets:
        for link in style.links:
            name = layout.outer_link_name(style, link, link_set)
            sizes = agents[link.source].hidden_size, agents[link.target].hidden_size
            save_link(weights.make_outer_link(*sizes, folder.name, name), folder / name)
    manifest = layout.outer_manifest(style, agents, partial(layout.outer_link_name, style))
    write_json(folder / layout.OUTER_MANIFEST, manifest)


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")

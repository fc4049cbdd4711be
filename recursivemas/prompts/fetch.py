"""The published files, fetched once from the public repository and kept in the user's cache.

They state no licence, so they are not part of this package. What arrives is held to its published hash,
wherever it comes from.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import secrets
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import constants

from recursivemas.files.disk_cache import user_cache
from recursivemas.prompts.prompt_file import (
    MAX_FILE_BYTES,
    PUBLISHED_CUE,
    PUBLISHED_PROMPTS,
    PromptFile,
    PublishedFile,
)
from recursivemas.prompts.source import PromptsError

REPOSITORY = "RecursiveMAS/RecursiveMAS"
COMMIT = "f95d512017fb713e9ac519248fbfd3d270dafd68"
HOST = "https://raw.githubusercontent.com"
MIRROR_VARIABLE = "RECURSIVEMAS_PROMPTS_MIRROR"
"""Names an address that serves REPOSITORY/COMMIT/PATH as HOST does."""
TIMEOUT_S = 20.0
"""For the connection, and for the whole of a file."""
CHUNK_BYTES = 1 << 16

WAYS_OUT = (
    f"Give --prompts FILE (the prompts.py of {REPOSITORY} at commit {COMMIT[:12]}, or a checkout's folder; "
    f"in Python, prompts=...), set {MIRROR_VARIABLE} to an address that serves it, or give --prompts default "
    "for our own words, with which the published checkpoints' accuracy will differ"
)


def fetch_published() -> PromptFile:
    """The published files, from the cache, or else from the repository.

    Raises PromptsError, naming the ways out, where they cannot be had.
    """
    prompts, cue = (_kept(file) or _fetch(file) for file in (PUBLISHED_PROMPTS, PUBLISHED_CUE))
    return PromptFile(place="the published prompts.py", files={PUBLISHED_PROMPTS.path: prompts}, cue_file=cue)


def _place(file: PublishedFile) -> Path:
    return user_cache() / "prompts" / COMMIT / file.path


def _kept(file: PublishedFile) -> bytes | None:
    """What the cache has; None where it has nothing, or something else."""
    try:
        content = _place(file).read_bytes()
    except OSError:
        return None
    return None if _explain_wrong(file, content) else content


def _fetch(file: PublishedFile) -> bytes:
    if constants.HF_HUB_OFFLINE:
        raise _unavailable("HF_HUB_OFFLINE is set, and they are not in the cache")
    root = os.environ.get(MIRROR_VARIABLE) or HOST
    if urlsplit(root).scheme not in ("http", "https") or not urlsplit(root).hostname:
        raise _unavailable(f"{MIRROR_VARIABLE} is no http or https address")
    place = f"{file.path} from {urlsplit(root).hostname}"  # without the keys that an address may hold
    try:
        content = _download(f"{root.rstrip('/')}/{REPOSITORY}/{COMMIT}/{file.path}")
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        raise _unavailable(f"{place}: status {error.code}") from error
    except urllib.error.URLError as error:
        raise _unavailable(f"{place}: {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unavailable(f"{place}: {type(error).__name__} ({error})") from error
    if wrong := _explain_wrong(file, content):
        raise _unavailable(f"{place} is not the published file: {wrong}")
    _keep(file, content)
    return content


def _download(url: str) -> bytes:
    """At most MAX_FILE_BYTES of a file, within TIMEOUT_S. Raises what the network raises."""
    deadline = time.monotonic() + TIMEOUT_S
    content = b""
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
        while len(content) <= MAX_FILE_BYTES and (chunk := response.read1(CHUNK_BYTES)):
            content += chunk
            if time.monotonic() > deadline:
                raise TimeoutError(f"not there within {TIMEOUT_S:g} seconds")
    return content


def _explain_wrong(file: PublishedFile, content: bytes) -> str | None:
    if file.num_bytes is not None and len(content) != file.num_bytes:
        return f"it has {len(content)} bytes, not {file.num_bytes}"
    found = hashlib.sha256(content).hexdigest()
    return None if found == file.sha256 else f"its sha256 is {found}, not {file.sha256}"


def _keep(file: PublishedFile, content: bytes) -> None:
    """Into the cache, whole or not at all; a cache that cannot be written costs another download, later."""
    path = _place(file)
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _unavailable(reason: str) -> PromptsError:
    return PromptsError(
        f"the prompts that the published checkpoints were trained with cannot be had: {reason}. {WAYS_OUT}"
    )

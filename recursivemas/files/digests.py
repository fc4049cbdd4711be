"""SHA-256 of files; those of big ones are kept, so that weights are hashed once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recursivemas.errors import UserError, unreadable
from recursivemas.files.disk_cache import DiskCache, user_cache

KEPT_BYTES = 1 << 20
"""Smaller files are hashed each time, which is quicker than keeping their digests."""
SHOWN_BYTES = 2 << 30
"""Where more than this has to be hashed, a bar says what the wait is for."""
CHUNK_BYTES = 8 << 20
NUM_WORKERS = 4


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hex. Raises UserError when it cannot be read."""
    return digests([path])[path]


def digests(paths: Iterable[Path]) -> dict[Path, str]:
    """The SHA-256 of each file, in hex.

    That of a big file is taken from the user's cache where the file has the same place, size and times as
    when it was hashed. Raises UserError for a file that cannot be read.
    """
    cache = DiskCache(user_cache() / "digests")
    found: dict[Path, str] = {}
    todo: dict[Path, dict[str, Any]] = {}
    for path in paths:
        key = _key(path)
        kept = cache.get(key) if key["bytes"] >= KEPT_BYTES else None
        if kept and isinstance(kept.get("sha256"), str):
            found[path] = kept["sha256"]
        else:
            todo[path] = key
    total = sum(key["bytes"] for key in todo.values())
    bar = tqdm(
        total=total, desc="hashing files", unit="B", unit_scale=True, leave=False, disable=total < SHOWN_BYTES
    )
    with bar, ThreadPoolExecutor(NUM_WORKERS) as pool:
        hashes = pool.map(lambda path: _hash(path, bar), todo)
        for (path, key), sha256 in zip(todo.items(), hashes, strict=True):
            if key["bytes"] >= KEPT_BYTES and _key(path) == key:  # it did not change meanwhile
                cache.put(key, {**key, "sha256": sha256})
            found[path] = sha256
    return found


def _key(path: Path) -> dict[str, Any]:
    """What tells that a file is the one that was hashed: a write changes its times."""
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(unreadable(path, error)) from error
    return {
        "path": str(path.resolve()),
        "bytes": status.st_size,
        "modified_ns": status.st_mtime_ns,
        "changed_ns": status.st_ctime_ns,
    }


def _hash(path: Path, bar: tqdm[Any]) -> str:
    sha256 = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                sha256.update(chunk)
                bar.update(len(chunk))
    except OSError as error:
        raise UserError(unreadable(path, error)) from error
    return sha256.hexdigest()

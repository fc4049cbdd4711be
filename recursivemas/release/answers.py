"""What a hub may answer: names that stay inside of the cache, and a listing that is one.

The client makes paths of what the hub says: a file's ETag names its blob, a commit its snapshot. It does not
look at them, so one with `../` in it is written wherever the hub likes. Here they are looked at as they
arrive, before the client sees them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from huggingface_hub import constants, get_session

from recursivemas.release.errors import ReleaseError

NAMING_HEADERS = ("etag", "x-linked-etag", "x-repo-commit", "x-xet-hash")
"""What the client makes paths of, where it asks for a file's headers."""
NAMING_FIELDS = ("sha", "oid", "blobId", "xetHash", "sha256")
"""The same in the hub's listings."""
NAME = re.compile(r"(?!\.)[\w.+=:~-]{1,200}", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Listing:
    """A commit's files: their bytes, and the SHA-256 that the hub says of those it stores as large files."""

    sizes: Mapping[str, int]
    sha256: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, siblings: Any) -> Listing:
        """The files as the client lists them. Raises TypeError for what is no listing."""
        sizes, sha256 = {}, {}
        for file in siblings or ():
            name, size, large = file.rfilename, file.size or 0, file.lfs
            if not isinstance(name, str) or not isinstance(size, int) or size < 0:
                raise TypeError(f"a file called {name!r} of {size!r} bytes")
            if not _is_inside(name):
                raise TypeError(f"a file called {name!r}, which would lie outside of the repository")
            sizes[name] = size
            if large is not None:
                said = large.sha256
                if not isinstance(said, str) or not SHA256.fullmatch(said):
                    raise TypeError(f"{said!r} as the SHA-256 of {name}")
                sha256[name] = said
        return cls(sizes, sha256)


def guard_client() -> None:
    """Let the client refuse answers that would make it write outside of its cache."""
    session = get_session()
    hooks = session.event_hooks
    if _refuse_paths not in hooks.get("response", []):
        session.event_hooks = {**hooks, "response": [*hooks.get("response", []), _refuse_paths]}


def _refuse_paths(response: Any) -> None:
    """Raise ReleaseError for an answer of the hub in which a path stands where a plain name belongs."""
    for header in NAMING_HEADERS:
        value = response.headers.get(header)
        # A file's content comes from anywhere, with any ETag; nothing is named after that one.
        if value is not None and response.request.method == "HEAD":
            _check_name(response, header, value.removeprefix("W/").strip('"'))
    kind = response.headers.get("content-type", "")
    if response.request.method == "GET" and "/api/" in response.request.url.path and "json" in kind:
        response.read()
        try:
            data = response.json()
        except (ValueError, RecursionError):
            return  # the client says so
        for field_name, value in _names(data):
            _check_name(response, field_name, value)


def _names(data: Any) -> Iterator[tuple[str, str]]:
    """The fields that paths are made of, of a listing and of its entries."""
    entries = data if isinstance(data, list) else [data, *_list(data, "siblings")]
    for entry in entries:
        for part in (entry, entry.get("lfs")) if isinstance(entry, dict) else ():
            if isinstance(part, dict):
                yield from ((name, part[name]) for name in NAMING_FIELDS if isinstance(part.get(name), str))


def _list(data: Any, key: str) -> list[Any]:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, list) else []


def _check_name(response: Any, what: str, value: str) -> None:
    if value and not NAME.fullmatch(value):
        raise ReleaseError(
            f"{response.request.url} answered with {what} {value[:200]!r}. The hub's client makes a file "
            "name of that, and this one could lie outside of its cache; nothing was written. Is "
            f"{constants.ENDPOINT} the hub that you mean? Check HF_ENDPOINT."
        )


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not (path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts)

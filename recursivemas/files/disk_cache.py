"""What was asked of others, kept on disk: one JSON file a key, shared by threads, processes and runs."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "RECURSIVEMAS_CACHE"


def user_cache() -> Path:
    """The folder for what may be made or asked for again; `RECURSIVEMAS_CACHE` moves it."""
    override = os.environ.get(CACHE_VARIABLE)
    return Path(override).expanduser() if override else platformdirs.user_cache_path("recursivemas")


@dataclass(frozen=True)
class DiskCache:
    """A folder of entries, made when the first one is put.

    A key is anything that JSON can hold; equal keys find the same entry. Entries are mappings that JSON can
    hold, written whole: who reads meanwhile finds the old entry or the new one. They are as readable as the
    user's other files, for people to share.

    A folder that cannot be read or written costs no answer, only that it is asked for again: entries count
    as absent there, nothing is kept, and one warning says so.
    """

    folder: Path
    _unwarned: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def get(self, key: object) -> dict[str, Any] | None:
        """The entry, None where there is none; one that is damaged counts as absent, to be put anew."""
        return self._read(self._path(key))

    def entries(self) -> Iterator[dict[str, Any]]:
        """All whole entries, in no order."""
        for path in self.folder.glob("*.json"):
            if (entry := self._read(path)) is not None:
                yield entry

    def put(self, key: object, entry: Mapping[str, Any]) -> None:
        path, text = self._path(key), json.dumps(dict(entry), ensure_ascii=False, indent=1)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(path, text)
        except OSError as error:
            self._warn("written", error)

    def _path(self, key: object) -> Path:
        canonical = json.dumps(key, sort_keys=True)
        return self.folder / f"{hashlib.sha256(canonical.encode()).hexdigest()}.json"

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            entry = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            self._warn("read", error)
            return None
        return entry if isinstance(entry, dict) else None

    def _warn(self, what: str, error: OSError) -> None:
        if self._unwarned.acquire(blocking=False):  # never released: whoever is first, warns
            logger.warning(
                "the cache %s cannot be %s (%s), so what it should keep is asked for again; see to the "
                "folder's permissions and the room on its disk",
                self.folder,
                what,
                error.strerror or error,
            )


def _write(path: Path, text: str) -> None:
    """The whole file or none of it."""
    part = path.with_name(f"{path.stem}.{secrets.token_hex(8)}.part")
    try:
        # Others' text may hold half of a surrogate pair, which strict UTF-8 refuses.
        part.write_text(text, encoding="utf-8", errors="surrogatepass")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

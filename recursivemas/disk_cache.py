"""What was asked of others, kept on disk: one JSON file a key, shared by threads, processes and runs."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class DiskCache:
    """A folder of entries, made when the first one is put.

    A key is anything that JSON can hold; equal keys find the same entry. Entries are mappings that JSON can
    hold, written whole: who reads meanwhile finds the old entry or the new one.
    """

    folder: Path

    def get(self, key: object) -> dict[str, Any] | None:
        """The entry, None where there is none; one that is damaged counts as absent, to be put anew."""
        try:
            entry = json.loads(self._path(key).read_text(encoding="utf-8", errors="surrogatepass"))
        except (FileNotFoundError, ValueError):
            return None
        return entry if isinstance(entry, dict) else None

    def put(self, key: object, entry: Mapping[str, Any]) -> None:
        text = json.dumps(dict(entry), ensure_ascii=False, indent=1)
        self.folder.mkdir(parents=True, exist_ok=True)
        # Others' text may hold half of a surrogate pair, which strict UTF-8 refuses.
        with tempfile.NamedTemporaryFile(
            "w", dir=self.folder, suffix=".part", delete=False, encoding="utf-8", errors="surrogatepass"
        ) as file:
            part = Path(file.name)
            try:
                file.write(text)
                file.close()
                part.replace(self._path(key))
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    def _path(self, key: object) -> Path:
        canonical = json.dumps(key, sort_keys=True)
        return self.folder / f"{hashlib.sha256(canonical.encode()).hexdigest()}.json"

"""An imitation that stands in for the published prompt files, whose own text no test may have."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recursivemas.prompts import choose, fetch, prompt_file
from tests.support.raw_files import RawFiles

IMITATION = Path(__file__).parents[1] / "unit" / "prompts" / "published" / "conditions"
PATHS = ("prompts.py", "inference_utils/lcb_utils.py")
CONTENTS = {path: (IMITATION / path).read_bytes() for path in PATHS}
PLACES = {path: f"/{fetch.REPOSITORY}/{fetch.COMMIT}/{path}" for path in PATHS}


def serve() -> RawFiles:
    """A mirror that has the imitation where the published files would be."""
    return RawFiles({PLACES[path]: content for path, content in CONTENTS.items()})


def stand_in(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Have the imitation's hashes expected; `put` sets an attribute of a module."""
    for name in ("PUBLISHED_PROMPTS", "PUBLISHED_CUE"):
        published = getattr(prompt_file, name)
        content = CONTENTS[published.path]
        expected = prompt_file.PublishedFile(
            path=published.path,
            sha256=hashlib.sha256(content).hexdigest(),
            num_bytes=published.num_bytes and len(content),
        )
        for module in (prompt_file, fetch, choose):
            if hasattr(module, name):
                put(module, name, expected)

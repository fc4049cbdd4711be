"""What a release folder recommends for itself, in a file `settings.yaml` beside its repositories."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict

from recursivemas.files.own import parse_yaml, read_text
from recursivemas.files.toy_release import SETTINGS, brought_by
from recursivemas.values import NO_OTHERS, Count, Text, read_as


@dataclass(frozen=True, kw_only=True)
class _ReleaseSettings:
    """The settings that a release may recommend; `search_folder` is relative to the release's folder."""

    __pydantic_config__: ClassVar[ConfigDict] = NO_OTHERS

    latent_length: Count | None = None
    num_recursive_rounds: Count | None = None
    max_new_tokens: Count | None = None
    search_folder: Text | None = None


def of_release(release: str | Path) -> dict[str, Any]:
    """The settings that the release recommends, by name; none for the hub.

    Raises UserError for a file that is not as it should be.
    """
    file = brought_by(release, SETTINGS)
    if file is None:
        return {}
    read = read_as(_ReleaseSettings, parse_yaml(read_text(file, f"{file}"), f"{file}"), f"{file}")
    values = {name: value for name, value in asdict(read).items() if value is not None}
    if read.search_folder is not None:
        values["search_folder"] = str(file.parent / read.search_folder)
    return values

"""The trained toy, which comes with the package, and what a release may bring besides its repositories."""

from __future__ import annotations

from pathlib import Path

TRAINED_TOY = Path(__file__).parents[1] / "trained_toy"
PROMPTS = "prompts.yaml"
"""The prompt pack that a release's agents were taught."""
SETTINGS = "settings.yaml"
"""What is recommended for a release where the published tables have nothing."""


def brought_by(release: str | Path, name: str) -> Path | None:
    """The file of that name in a release folder; None where there is none."""
    if str(release) in ("hub", "toy-random"):
        return None
    folder = TRAINED_TOY if str(release) == "toy" else Path(release).expanduser()
    return folder / name if (folder / name).is_file() else None

"""What releases and their models are called where people read it.

A release that is not the hub's holds its models under the hub's names, so that a table of names alone would
tell of models that never ran.
"""

from __future__ import annotations

from pathlib import Path

from recursivemas.styles import HUB_ORGANISATION


def full_name(repo: str) -> str:
    """`owner/name`; a bare name is in the release's organisation."""
    return repo if "/" in repo else f"{HUB_ORGANISATION}/{repo}"


def short_name(release: str) -> str | None:
    """A release in a word: `toy`, `toy-random`, a folder's name; None for the hub, which goes without."""
    return None if release == "hub" else Path(release).expanduser().resolve().name or release


def label_model(model: str, repo_id: str, repo: str | None, release: str) -> str:
    """A model's name behind its release's, where that is not the hub.

    `repo_id` is where the model comes from, `repo` the style's repository for it; where the two differ, the
    model is a folder of one's own, which has a name of its own.
    """
    name = short_name(release)
    return model if name is None or (repo and repo_id != full_name(repo)) else f"{name}: {model}"

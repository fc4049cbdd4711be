"""The real huggingface_hub client of this process, pointed at a hub of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from recursivemas.release.errors import ReleaseError
from recursivemas.release.resolve import ReleaseFiles

OUTSIDE = "../../../../outside"


def point_client_at(url: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process's client use a server and a cache of its own, without a token."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def refusal(resolve: Callable[..., ReleaseFiles], **arguments: Any) -> ReleaseError:
    with pytest.raises(ReleaseError) as caught:
        resolve(**arguments)
    assert caught.value.__cause__ is not None, "the client's error is chained"
    return caught.value

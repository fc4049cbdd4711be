"""What a hub says of a file is held against the file, and what it must not say is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from recursivemas.release.errors import ReleaseError
from recursivemas.release.resolve import ReleaseFiles
from tests.support.hub_client import OUTSIDE
from tests.support.hub_server import HubServer


def test_large_files_are_held_against_what_the_hub_says(
    server: HubServer, resolve: Callable[..., ReleaseFiles]
) -> None:
    server.large = ("*.safetensors", "*.pt")
    files = resolve()
    assert files.agents["planner"].verified == {"model.safetensors"}
    assert files.agents["planner"].inner_verified
    assert all(link.verified for link in files.links.values())


@pytest.mark.parametrize(
    "name", ["Small-Outerlinks/Planner-Solver-Outerlink(math).pt", "*/model.safetensors"]
)
def test_a_flipped_bit_is_noticed(
    server: HubServer, resolve: Callable[..., ReleaseFiles], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server.large = ("*.safetensors", "*.pt")
    server.flip(f"RecursiveMAS/{name}")
    with pytest.raises(ReleaseError, match="is not the file that the hub has: its SHA-256 is"):
        resolve()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ReleaseError, match="is not the file that the hub has"):
        resolve()  # what the hub said is remembered
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    server.heal()
    for _ in server.downloads(f"RecursiveMAS/{name}"):  # the advice helps, file by file
        with pytest.raises(ReleaseError) as caught:
            resolve()
        Path(str(caught.value).partition("Delete ")[2].partition(" and run again")[0]).unlink()
    resolve()


def test_a_file_that_changes_in_the_cache_is_noticed(
    server: HubServer, resolve: Callable[..., ReleaseFiles]
) -> None:
    (server.folder / "RecursiveMAS/Small-Solver/model.safetensors").write_bytes(bytes(3 << 20))
    server.large = ("*.safetensors",)
    weights = resolve().agents["solver"].model_dir / "model.safetensors"
    times = weights.stat()
    resolve()
    weights.write_bytes(bytes((3 << 20) - 1) + b"1")
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(ReleaseError, match=r"model\.safetensors is not the file that the hub has"):
        resolve()


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": f'"{OUTSIDE}"'},
        {"ETag": f'W/"{OUTSIDE}"'},
        {"X_Linked_Etag": f'"{OUTSIDE}"'},
        {"ETag": '".."'},
        {"ETag": '"a\\b"'},
        {"ETag": f'"{"a" * 300}"'},
        {"X_Repo_Commit": OUTSIDE},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_hub_that_would_write_outside_of_the_cache_is_refused(
    server: HubServer,
    resolve: Callable[..., ReleaseFiles],
    tmp_path: Path,
    headers: dict[str, str],
    name: str,
) -> None:
    server.send_headers(f"RecursiveMAS/Small-Planner/{name}", **headers)
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    with pytest.raises(ReleaseError, match=r"outside of its cache; nothing was written.*HF_ENDPOINT"):
        resolve()
    assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} == before
    server.heal()
    resolve()


LISTINGS: dict[str, tuple[Any, str]] = {
    "a list": ([1, 2], "no listing"),
    "a number": (5, "no listing"),
    "null": (None, "no listing"),
    "a text": ("hello", "no listing"),
    "nothing": ({}, "no listing"),
    "a commit elsewhere": ({"id": "a/b", "sha": OUTSIDE, "siblings": []}, "outside of its cache"),
    "a commit that is a number": ({"id": "a/b", "sha": 5, "siblings": []}, "no listing"),
    "files that are none": ({"id": "a/b", "sha": "a" * 40, "siblings": [5]}, "no listing"),
    "files without names": ({"id": "a/b", "sha": "a" * 40, "siblings": [{"size": 1}]}, "no listing"),
    "no files": ({"id": "a/b", "sha": "a" * 40, "siblings": 7}, "no listing"),
}


@pytest.mark.parametrize("case", LISTINGS)
def test_a_listing_of_another_shape_is_an_error_in_words(
    server: HubServer, resolve: Callable[..., ReleaseFiles], case: str
) -> None:
    body, says = LISTINGS[case]
    server.send_metadata("RecursiveMAS/Small-Planner", json.dumps(body).encode())
    with pytest.raises(ReleaseError, match=says) as caught:
        resolve()
    assert "HF_ENDPOINT" in str(caught.value)


@pytest.mark.parametrize(
    ("sibling", "says"),
    [
        ({"rfilename": "../../x.json", "size": 1}, "outside of the repository"),
        ({"rfilename": "/etc/x.json", "size": 1}, "outside of the repository"),
        ({"rfilename": "additional_chat_templates/../../x.json", "size": 1}, "outside of the repository"),
        ({"rfilename": "a.json", "size": "many"}, "no listing"),
        ({"rfilename": "a.json", "size": -1}, "no listing"),
        ({"rfilename": 5, "size": 1}, "no listing"),
        ({"rfilename": "a", "size": 1, "lfs": {"sha256": 5, "size": 1, "pointerSize": 1}}, "no listing"),
        ({"rfilename": "a", "size": 1, "lfs": {"sha256": "no", "size": 1, "pointerSize": 1}}, "no listing"),
        ({"rfilename": "a", "size": 1, "lfs": 7}, "no listing"),
    ],
    ids=str,
)
def test_a_listed_file_that_cannot_be_is_an_error_in_words(
    server: HubServer,
    resolve: Callable[..., ReleaseFiles],
    monkeypatch: pytest.MonkeyPatch,
    sibling: Any,
    says: str,
) -> None:
    commit = server.commit(server.folder / "RecursiveMAS/Small-Planner")
    resolve()  # the client keeps what it has listed, so that only ours is asked for again
    body = {"id": "RecursiveMAS/Small-Planner", "sha": commit, "siblings": [sibling]}
    server.send_metadata("RecursiveMAS/Small-Planner", json.dumps(body).encode())
    with pytest.raises(ReleaseError, match=says):
        resolve()

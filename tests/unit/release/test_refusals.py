"""What a hub refuses, and downloads that break off."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from recursivemas.release.errors import ReleaseError
from recursivemas.release.resolve import ReleaseFiles
from tests.support.hub_client import refusal
from tests.support.hub_server import HubServer
from tests.support.small_release import SMALL_STYLE, write_json


@dataclass
class Refusal:
    """A fault of the hub and what has to be said about it."""

    pattern: str
    status: int
    says: tuple[str, ...]
    error_code: str | None = None


REFUSALS = {
    "401 repository": Refusal(
        "RecursiveMAS/Small-Solver", 401, ("(401)", "RecursiveMAS/Small-Solver", "HF_TOKEN", "Check the name")
    ),
    "403 repository": Refusal("RecursiveMAS/Small-Solver", 403, ("(403)", "HF_TOKEN", "Accept its terms")),
    "404 repository": Refusal(
        "RecursiveMAS/Small-Solver", 404, ("does not exist on http://127", "HF_ENDPOINT"), "RepoNotFound"
    ),
    "gated files": Refusal(
        "RecursiveMAS/Small-Solver/*",
        403,
        ("Accept its terms on http://127", "/RecursiveMAS/Small-Solver,", "HF_TOKEN"),
        "GatedRepo",
    ),
    "404 file": Refusal(
        "*/tokenizer.json", 404, ("tokenizer.json of RecursiveMAS", "does not serve it"), "EntryNotFound"
    ),
    "500 repository": Refusal("RecursiveMAS/Small-Solver", 500, ("answered 500", "Try again later")),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_say_what_to_do(server: HubServer, resolve: Callable[..., ReleaseFiles], case: str) -> None:
    expected = REFUSALS[case]
    server.fail(expected.pattern, expected.status, expected.error_code)
    message = str(refusal(resolve))
    for words in expected.says:
        assert words in message
    server.heal()
    assert resolve().agents.keys() == {"planner", "solver"}, "it works once the cause is gone"


def test_a_repository_that_is_not_there(server: HubServer, resolve: Callable[..., ReleaseFiles]) -> None:
    elsewhere = replace(SMALL_STYLE, outer_repo="No-Such-Links")
    assert "RecursiveMAS/No-Such-Links does not exist" in str(refusal(resolve, style=elsewhere))


def test_a_name_that_cannot_be(resolve: Callable[..., ReleaseFiles]) -> None:
    message = str(refusal(resolve, style=replace(SMALL_STYLE, outer_repo="a/b/c")))
    assert "'a/b/c' is no repository's name" in message


def test_something_that_is_no_hub(
    server: HubServer, resolve: Callable[..., ReleaseFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", server.url + "/portal")
    assert "/portal" in str(refusal(resolve))


def test_a_cut_in_mid_file_is_resumed(
    server: HubServer, resolve: Callable[..., ReleaseFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)
    server.cut("*/Small-Solver/model.safetensors", after=1000, times=2)
    weights = resolve().agents["solver"].model_dir / "model.safetensors"
    served = server.folder / "RecursiveMAS/Small-Solver/model.safetensors"
    assert weights.read_bytes() == served.read_bytes()
    assert any(request.range == "bytes=1000-" for request in server.file_requests)


def test_a_connection_that_keeps_being_cut(server: HubServer, resolve: Callable[..., ReleaseFiles]) -> None:
    server.cut("*/Small-Solver/model.safetensors", after=1000, times=1)
    server.cut("*/Small-Solver/model.safetensors", after=0)
    message = str(refusal(resolve))
    assert "failed while fetching model.safetensors of RecursiveMAS/Small-Solver" in message
    assert "Run again to continue" in message

    server.heal()
    server.requests.clear()
    whole = [path for path in Path(constants.HF_HUB_CACHE).glob("*/snapshots/*/*") if path.is_file()]
    files = resolve()
    assert (files.agents["solver"].model_dir / "model.safetensors").stat().st_size == 4096
    again = {target.rpartition("/")[::2] for target in server.downloads()}
    kept = {(path.parts[-4].removeprefix("models--").replace("--", "/"), path.name) for path in whole}
    assert kept
    assert not again & kept


def test_one_failure_ends_the_other_downloads(
    server: HubServer, resolve: Callable[..., ReleaseFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = server.folder / "RecursiveMAS/Small-Planner/model.safetensors"
    weights.write_bytes(bytes(200 * 1024))
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)
    server.slow_down("*/Small-Planner/model.safetensors", pause_s=0.1)
    server.fail("*/Small-Solver/model.safetensors", 403)
    start = time.monotonic()
    assert "Small-Solver" in str(refusal(resolve))
    assert time.monotonic() - start < 10, "the other download would have taken 20 s"


def test_a_truncated_manifest(server: HubServer, resolve: Callable[..., ReleaseFiles]) -> None:
    server.truncate("*/outerlink_config.json", to=40)
    message = str(refusal(resolve))
    assert "outerlink_config.json is damaged: it is not valid JSON" in message
    assert f"Delete {constants.HF_HUB_CACHE}" in message


def test_a_damaged_manifest_in_the_cache_is_got_again(
    server: HubServer, resolve: Callable[..., ReleaseFiles]
) -> None:
    path = resolve().links["planner", "solver"].path
    assert path is not None
    manifest = path.with_name("outerlink_config.json")
    manifest.write_text('{"tasks": {"math', encoding="utf-8")
    message = str(refusal(resolve))
    to_delete = Path(message.partition("Delete ")[2].partition(" and run again")[0])
    to_delete.unlink()
    resolve()


def test_a_missing_link_file(server: HubServer, resolve: Callable[..., ReleaseFiles]) -> None:
    home = server.folder / "RecursiveMAS"
    (home / "Small-Outerlinks" / "Planner-Solver-Outerlink(math).pt").unlink()
    with pytest.raises(ReleaseError, match=r"names the link file Planner-Solver-Outerlink\(math\)\.pt"):
        resolve()
    write_json(home / "Small-Outerlinks" / "outerlink_config.json", {"adapters": []})
    with pytest.raises(ReleaseError, match=r"no outer link planner->solver.*outer_12\.pt.*override outer="):
        resolve()


def test_the_cache_that_cannot_be_written(
    resolve: Callable[..., ReleaseFiles], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    message = str(refusal(resolve))
    assert "could not be written to the cache" in message
    assert "HF_HUB_CACHE" in message

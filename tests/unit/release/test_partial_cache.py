"""A cache or a folder that holds a repository in part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from recursivemas.release.errors import ReleaseError
from recursivemas.release.resolve import ReleaseFiles, resolve_release
from tests.support.hub_server import HubServer
from tests.support.small_release import SMALL_STYLE

COMPANIONS = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")


@pytest.mark.parametrize("name", [*COMPANIONS, "chat_template.jinja"])
@pytest.mark.parametrize("remembered", [True, False])
def test_a_partial_cache_is_an_error_that_names_the_file(
    server: HubServer,
    resolve: Callable[..., ReleaseFiles],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    remembered: bool,
) -> None:
    (resolve().agents["solver"].model_dir / name).unlink()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    if not remembered:  # as if another program had filled the cache
        monkeypatch.setenv("RECURSIVEMAS_CACHE", str(tmp_path / "empty"))
        for kept in Path(constants.HF_HUB_CACHE).rglob("trees/*.json"):
            kept.unlink()
        if name == "chat_template.jinja":
            resolve()  # nothing tells that there was one: noticed when the tokenizer is loaded
            return
    with pytest.raises(ReleaseError, match=r"RecursiveMAS/Small-Solver") as caught:
        resolve()
    if name != "config.json":
        assert name in str(caught.value) or "tokenizer (one of tokenizer.json" in str(caught.value)
    assert any(words in str(caught.value) for words in ("without HF_HUB_OFFLINE", "HF_HUB_OFFLINE unset"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tokenizer.json", r"holds no tokenizer \(one of tokenizer\.json, tokenizer\.model"),
        ("tokenizer_config.json", "holds no tokenizer_config.json, which says what ends a text"),
        ("generation_config.json", r"holds no generation_config\.json.*write \{\} into"),
        ("config.json", "holds no config.json"),
    ],
)
def test_a_folder_that_lacks_a_file_is_an_error_that_names_it(release: Path, name: str, says: str) -> None:
    (release / "RecursiveMAS/Small-Solver" / name).unlink()
    with pytest.raises(ReleaseError, match=says) as caught:
        resolve_release(SMALL_STYLE, "math", release=release)
    assert "Small-Solver" in str(caught.value)


def test_a_publisher_may_do_without_a_generation_config(
    server: HubServer, resolve: Callable[..., ReleaseFiles]
) -> None:
    (server.folder / "RecursiveMAS/Small-Solver/generation_config.json").unlink()
    assert "generation_config.json" not in resolve().agents["solver"].model_files

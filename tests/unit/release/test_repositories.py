"""What is asked of a hub, at which revision, and that all five styles come over the wire whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from recursivemas.links import load_outer_link
from recursivemas.release.errors import ReleaseError
from recursivemas.release.resolve import ReleaseFiles, resolve_release
from recursivemas.styles import PUBLISHED_STYLES, AgentSpec, Style
from tests.support.hub_client import point_client_at, refusal
from tests.support.hub_server import HubServer
from tests.support.small_release import SMALL_REPOS, SMALL_STYLE, write_model, write_release


def test_only_what_overrides_leave_is_asked_for(
    server: HubServer, resolve: Callable[..., ReleaseFiles], tmp_path: Path
) -> None:
    own = write_model(tmp_path / "own")
    (own / "adapter.pt").write_bytes(b"mine")
    files = resolve(overrides={"planner": own})
    assert files.agents["planner"].model_dir == own
    assert files.agents["planner"].inner_link == own / "adapter.pt"
    assert not any("Small-Planner" in request.path for request in server.requests)
    assert files.agents["solver"].revision == server.commit(server.folder / "RecursiveMAS/Small-Solver")


def test_a_model_without_its_link_takes_only_the_link(
    server: HubServer, resolve: Callable[..., ReleaseFiles], tmp_path: Path
) -> None:
    files = resolve(overrides={"planner": write_model(tmp_path / "own")})
    inner_link = files.agents["planner"].inner_link
    assert inner_link is not None
    assert inner_link.read_bytes() == b"inner math of Small-Planner"
    heavy = [name for name in server.downloads("*/Small-Planner/*") if not name.endswith(".json")]
    assert heavy == ["RecursiveMAS/Small-Planner/adapter(math).pt"]


def test_nothing_is_asked_for_when_all_is_overridden(
    server: HubServer, resolve: Callable[..., ReleaseFiles], release: Path
) -> None:
    home, keys = release / "RecursiveMAS", ("planner", "solver", "outer")
    resolve(overrides={key: home / name for key, name in zip(keys, SMALL_REPOS, strict=True)})
    assert not server.requests


def test_without_weights_only_the_small_files_come(
    server: HubServer, resolve: Callable[..., ReleaseFiles]
) -> None:
    files = resolve(download_weights=False)
    assert not server.downloads("*.pt")
    assert not server.downloads("*.safetensors")
    assert (files.agents["solver"].model_dir / "tokenizer.json").is_file()
    assert files.links["planner", "solver"].path is not None


def test_code_comes_only_with_trust(server: HubServer, resolve: Callable[..., ReleaseFiles]) -> None:
    resolve(trust_remote_code=True)
    assert len(server.downloads("*/modeling_small.py")) == 2


def test_any_model_of_the_hub_can_be_an_agent(
    server: HubServer, resolve: Callable[..., ReleaseFiles], release: Path
) -> None:
    write_model(release / "someone" / "Base-Model")
    base = AgentSpec(role="planner", repo="someone/Base-Model", prompt="p", fresh_inner_link=True)
    files = resolve(replace(SMALL_STYLE, agents=(base, SMALL_STYLE.agents[1])))
    assert files.agents["planner"].repo_id == "someone/Base-Model"
    assert files.agents["planner"].inner_link is None


def test_a_revision_is_pinned_for_every_repository(
    server: HubServer,
    resolve: Callable[..., ReleaseFiles],
    release: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    older = write_release(tmp_path / "older", num_bytes=100) / "RecursiveMAS"
    commits = {name: server.add_revision(f"RecursiveMAS/{name}", "v1", older / name) for name in SMALL_REPOS}
    files = resolve(revision="v1")
    planner = files.agents["planner"]
    assert planner.revision == commits["Small-Planner"]
    assert (planner.model_dir / "model.safetensors").stat().st_size == 100
    main = resolve()
    assert (main.agents["planner"].model_dir / "model.safetensors").stat().st_size == 4096

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    server.requests.clear()
    assert resolve(revision="v1") == files
    assert resolve() == main
    with pytest.raises(ReleaseError, match=r"RecursiveMAS/Small-\w+ at revision v2 is not"):
        resolve(revision="v2")
    assert not server.requests


def test_commits_are_pinned_by_repository(
    server: HubServer, resolve: Callable[..., ReleaseFiles], tmp_path: Path
) -> None:
    older = write_model(tmp_path / "older" / "Small-Solver", num_bytes=100)
    (older / "adapter.pt").write_bytes(b"older")
    commit = server.add_revision("RecursiveMAS/Small-Solver", "v1", older)
    files = resolve(revision={"Small-Solver": commit})
    assert files.agents["solver"].revision == commit
    assert files.agents["planner"].revision == server.commit(server.folder / "RecursiveMAS/Small-Planner")
    with pytest.raises(ReleaseError, match=r"'Small-Critic', which is no repository of small.*Outerlinks"):
        resolve(revision={"Small-Critic": commit})


def test_a_revision_that_is_not_there(resolve: Callable[..., ReleaseFiles]) -> None:
    message = str(refusal(resolve, revision="v9"))
    assert "has no revision 'v9'" in message
    assert "branches, tags or commits" in message


def test_the_toy_release_served_as_a_hub(
    toy_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every published style: what comes over the wire is the folder's own, and its links load and fit."""
    with HubServer(toy_release) as server:
        point_client_at(server.url, tmp_path / "cache", monkeypatch)
        for style in PUBLISHED_STYLES.values():
            for task in style.link_sets or ("math",):
                local = resolve_release(style, task, release=toy_release)
                remote = resolve_release(style, task)
                assert_same_files(local, remote)
                load_links(style, remote)
        server.requests.clear()
        for style in PUBLISHED_STYLES.values():
            resolve_release(style, "math")
        assert not server.file_requests


def assert_same_files(local: ReleaseFiles, remote: ReleaseFiles) -> None:
    for role, agent in local.agents.items():
        twin = remote.agents[role]
        assert agent.inner_link is not None
        assert twin.inner_link is not None
        assert twin.inner_link.read_bytes() == agent.inner_link.read_bytes()
        assert twin.inner_variant == agent.inner_variant
        for name in ("config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"):
            assert (twin.model_dir / name).read_bytes() == (agent.model_dir / name).read_bytes()
    for edge, link in local.links.items():
        twin_path = remote.links[edge].path
        assert link.path is not None
        assert twin_path is not None
        assert twin_path.read_bytes() == link.path.read_bytes()
        assert replace(remote.links[edge], path=None, repo_id=None, revision=None) == replace(
            link, path=None, repo_id=None, revision=None
        )


def load_links(style: Style, files: ReleaseFiles) -> None:
    """Load every outer link with the dimensions that its manifest says."""
    for spec in style.links:
        link = files.links[spec.source, spec.target]
        assert link.path is not None
        assert link.in_dim is not None
        assert link.out_dim is not None
        source, target = (spec.source, link.in_dim), (spec.target, link.out_dim)
        load_outer_link(link.path, variant=link.variant, source=source, target=target)

"""The real huggingface_hub client against a hub on 127.0.0.1: downloads, cache, offline, and every refusal.

The client reads its settings when it is imported, so what depends on them runs in a process of its own; the
rest sets them in this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import constants, file_download

from recursivemas.links import load_outer_link
from recursivemas.release.errors import ReleaseError
from recursivemas.release.resolve import ReleaseFiles, resolve_release
from recursivemas.styles import PUBLISHED_STYLES, AgentSpec, Style
from tests.support.hub_server import HubServer
from tests.support.small_release import SMALL_REPOS, SMALL_STYLE, write_json, write_model, write_release

CLIENT = """
import json
from recursivemas.release.resolve import ReleaseError, resolve_release
from tests.support.small_release import SMALL_STYLE
try:
    files = resolve_release(SMALL_STYLE, "math")
except ReleaseError as error:
    print(json.dumps({"error": str(error)}))
else:
    paths = [agent.model_dir / "model.safetensors" for agent in files.agents.values()]
    paths += [agent.inner_link for agent in files.agents.values()]
    paths += [link.path for link in files.links.values()]
    print(json.dumps([str(path) for path in paths if path.is_file()]))
"""
HUB_VARIABLES = ("HF_", "HUGGING", "TRANSFORMERS_OFFLINE", "XDG_CACHE_HOME")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_release(tmp_path / "release")


@pytest.fixture
def server(release: Path) -> Iterator[HubServer]:
    with HubServer(release) as server:
        yield server


@dataclass
class ClientRun:
    """What `resolve_release` did in a process of its own: the files that it found, or its error."""

    stderr: str
    paths: list[str] = field(default_factory=list)
    error: str = ""


def run_client(home: Path, url: str, **variables: str) -> ClientRun:
    """Resolve SMALL_STYLE in a new process whose client knows only `home`, `url` and `variables`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(HUB_VARIABLES)}
    root = str(Path(__file__).parents[3])
    environ |= {"HF_HOME": str(home), "HF_ENDPOINT": url, "PYTHONPATH": root, **variables}
    command = [sys.executable, "-c", CLIENT]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    if isinstance(printed, dict):
        return ClientRun(done.stderr, error=printed["error"])
    return ClientRun(done.stderr, paths=printed)


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


@pytest.fixture
def resolve(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ReleaseFiles]:
    """`resolve_release` in this process, its client pointed at the server and at an empty cache."""
    point_client_at(server.url, tmp_path / "cache", monkeypatch)
    # Between its retries the client sleeps for seconds.
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda seconds: None, time=time.time))

    def resolve(style: Style = SMALL_STYLE, **arguments: Any) -> ReleaseFiles:
        return resolve_release(style, "math", **arguments)

    return resolve


def refusal(resolve: Callable[..., ReleaseFiles], **arguments: Any) -> ReleaseError:
    with pytest.raises(ReleaseError) as caught:
        resolve(**arguments)
    assert caught.value.__cause__ is not None, "the client's error is chained"
    return caught.value


# ----- downloads and the cache, in a client's own process


def test_first_run_downloads_second_asks_for_no_file_offline_asks_nothing(
    server: HubServer, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    first = run_client(home, server.url)
    assert len(first.paths) == 6
    assert "Downloading" in first.stderr
    assert sorted(server.downloads("*.pt")) == [
        "RecursiveMAS/Small-Outerlinks/Planner-Solver-Outerlink(math).pt",
        "RecursiveMAS/Small-Outerlinks/Solver-Planner-Outerlink(math).pt",
        "RecursiveMAS/Small-Planner/adapter(math).pt",
        "RecursiveMAS/Small-Solver/adapter(math).pt",
    ]
    for unneeded in ("*.bin", "*.py", "*.md", "*onnx*"):
        assert not server.downloads(unneeded)
    assert len(server.downloads()) == len(set(server.downloads())), "every file once"

    server.requests.clear()
    second = run_client(home, server.url)
    assert second.paths == first.paths
    assert not server.file_requests
    for name in SMALL_REPOS:
        assert sum(name in request.path for request in server.requests) <= 2, "metadata"
    assert not second.stderr, "nothing to tell"

    server.requests.clear()
    offline = run_client(home, server.url, HF_HUB_OFFLINE="1")
    assert offline.paths == first.paths
    assert not server.requests


def test_offline_with_nothing_in_the_cache(server: HubServer, tmp_path: Path) -> None:
    cache = tmp_path / "elsewhere"
    result = run_client(tmp_path / "home", server.url, HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(cache))
    for words in ("HF_HUB_OFFLINE is set", "RecursiveMAS/Small-", str(cache), "HF_HUB_OFFLINE unset"):
        assert words in result.error
    assert not server.requests


def test_offline_with_a_cache_that_was_cut_short(server: HubServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    run_client(home, server.url)
    for path in home.rglob("model.safetensors"):
        path.unlink()
    result = run_client(home, server.url, HF_HUB_OFFLINE="1")
    assert "holds no weights" in result.error
    assert "run once with a connection" in result.error


def test_token_and_cache_come_from_the_environment(server: HubServer, tmp_path: Path) -> None:
    for name in SMALL_REPOS:
        server.require_token(f"RecursiveMAS/{name}", "hf_secret")
    cache = tmp_path / "elsewhere"
    result = run_client(tmp_path / "home", server.url, HF_TOKEN="hf_secret", HF_HUB_CACHE=str(cache))
    assert len(result.paths) == 6
    assert all(path.startswith(str(cache)) for path in result.paths)


def test_connection_refused(tmp_path: Path) -> None:
    result = run_client(tmp_path / "home", "http://127.0.0.1:1", HF_HUB_ETAG_TIMEOUT="1")
    for words in ("connection to http://127.0.0.1:1 failed", "Run again", "HF_HUB_OFFLINE=1"):
        assert words in result.error
    assert "refused" in result.error


def test_an_unreachable_hub_leaves_the_cache(server: HubServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = run_client(home, server.url)
    result = run_client(home, "http://127.0.0.1:1")
    assert result.paths == first.paths
    assert "cannot be reached" in result.stderr
    assert "taken from the cache" in result.stderr


# ----- what is asked for


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


# ----- revisions


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


# ----- refusals


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


# ----- interruptions


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


# ----- the toy release, served as a hub


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from recursivemas.toy import build

    return build(tmp_path_factory.mktemp("toy") / "release")


def test_the_toy_release_served_as_a_hub(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every published style: what comes over the wire is the folder's own, and its links load and fit."""
    with HubServer(toy) as server:
        point_client_at(server.url, tmp_path / "cache", monkeypatch)
        for style in PUBLISHED_STYLES.values():
            for task in style.link_sets or ("math",):
                local = resolve_release(style, task, release=toy)
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


# ----- what the hub says of a file, and what it must not say


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


OUTSIDE = "../../../../outside"


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


# ----- a cache that holds a repository in part


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

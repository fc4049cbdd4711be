"""What depends on the settings that the hub client reads when it is imported: a process of its own each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.hub_server import HubServer
from tests.support.small_release import SMALL_REPOS

pytestmark = pytest.mark.process

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

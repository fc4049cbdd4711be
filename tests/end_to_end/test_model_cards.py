"""The model cards' snippets from a clone, against a hub served on loopback that holds the toy release."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recursivemas.prompts import fetch
from recursivemas.styles import PUBLISHED_STYLES
from tests.support.hub_server import HubServer
from tests.support.published_prompts import serve

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
SNIPPET = """
from system_loader import load_mas_system, summarize_mas_paths, unload_mas_system

mas = load_mas_system(style="{style}", device="cpu", trust_remote_code=True)
for role, agent in mas.agents.items():
    print(role, type(agent.model).__name__, type(agent.tokenizer).__name__, agent.hidden_size, agent.repo_id)
    assert agent.inner_adapter is agent.inner_link
    print(agent.inner_adapter_path.name, agent.repo_path.is_dir())
for key, link in mas.outer_adapters.items():
    print(key, link.in_dim, link.out_dim)
for edge, link in mas.outer_links.items():
    print(edge)
print(mas.style, mas.family, sorted(summarize_mas_paths(mas.paths)["repo_paths"]))
unload_mas_system(mas)
"""


def run_snippets(url: str, home: Path, **environment: str) -> str:
    """All five cards' snippets in one fresh interpreter, started in the clone."""
    return run_code(
        "\n".join(SNIPPET.format(style=style) for style in PUBLISHED_STYLES), url, home, **environment
    )


def run_code(code: str, url: str, home: Path, **environment: str) -> str:
    keep = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    # The published prompts may stand in no test: an imitation is served in their place.
    code = f"from tests.support.published_prompts import stand_in\nstand_in()\n{code}"
    keep |= {"RECURSIVEMAS_CACHE": str(home), "no_proxy": "127.0.0.1"}
    with serve() as mirror:
        variables = {"HF_ENDPOINT": url, "HF_HOME": str(home), fetch.MIRROR_VARIABLE: mirror.url}
        result = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**keep, **variables, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def first_run(toy_release, tmp_path_factory):
    """(server, cache, what the snippets printed) after the first, downloading run."""
    home = tmp_path_factory.mktemp("hf")
    with HubServer(toy_release) as server:
        yield server, home, run_snippets(server.url, home)


def test_the_snippets_of_all_five_cards_run(first_run):
    _, _, printed = first_run
    for style in PUBLISHED_STYLES.values():
        for agent in style.agents:
            assert f"RecursiveMAS/{agent.repo}" in printed
        for link in style.links:
            assert f"('{link.source}', '{link.target}')" in printed
            assert f"\n{link.key} " in printed


def test_only_needed_files_were_fetched(first_run):
    server, _, _ = first_run
    fetched = set(server.downloads())
    assert not [name for name in fetched if name.endswith("pytorch_model.bin")]
    assert not [name for name in fetched if "(code)" in name]


@pytest.mark.long
def test_a_second_run_asks_for_no_file_and_an_offline_run_for_nothing(first_run):
    server, home, printed = first_run
    server.requests.clear()
    assert run_snippets(server.url, home) == printed
    assert server.file_requests == []
    server.requests.clear()
    assert run_snippets(server.url, home, HF_HUB_OFFLINE="1") == printed
    assert server.requests == []


def test_a_repository_by_itself(first_run):
    """As a notebook takes one apart: the whole snapshot, its link, and a module of ours to hold it."""
    server, home, _ = first_run
    code = """
import torch
from hf_resolver import infer_adapter_task_for_dataset, resolve_inner_adapter, resolve_outer_paths
from hf_resolver import snapshot_repo
from load_from_repo import STYLE_SPECS
from modeling import CrossModelAdapter, infer_outer_adapter_type_from_state_dict
from modeling import resolve_local_pretrained_path

repos, task = STYLE_SPECS["sequential_light"]["repos"], infer_adapter_task_for_dataset("math500")
folder = snapshot_repo(repos["planner"])
assert resolve_local_pretrained_path(repos["planner"]) == folder
print(sorted(path.name for path in folder.iterdir() if path.suffix == ".pt"))
print(resolve_inner_adapter(folder, task).name)
for key, path in resolve_outer_paths(snapshot_repo(repos["outer"]), task=task).items():
    state = torch.load(path, weights_only=True)
    out_dim, in_dim = state["residual_proj.weight"].shape
    adapter = CrossModelAdapter(in_dim, out_dim, infer_outer_adapter_type_from_state_dict(state))
    print(key, adapter.load_state_dict(state))
"""
    printed = run_code(code, server.url, home)
    assert printed.splitlines() == [
        "['adapter(code).pt', 'adapter(math).pt']",
        "adapter(math).pt",
        *(f"{key} <All keys matched successfully>" for key in ("outer_12", "outer_23", "outer_31")),
    ]


def test_the_package_offers_the_same_function():
    code = """
import hf_resolver, inference_utils, load_from_repo, modeling, prompts, recursivemas, system_loader
assert recursivemas.load_mas_system is system_loader.load_mas_system is load_from_repo.load_mas_system
for module in (hf_resolver, inference_utils, load_from_repo, modeling, prompts, system_loader):
    assert all(hasattr(module, name) for name in module.__all__)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)

"""The names of the published system_loader.py, as a notebook uses them."""

from __future__ import annotations

import json

import pytest
import torch

from recursivemas.errors import UserError
from system_loader import (
    LoadedAgent,
    LoadedMASSystem,
    ResolvedMASPaths,
    load_mas_system,
    resolve_mas_paths,
    summarize_mas_paths,
    unload_mas_system,
)

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def system(toy_release):
    with load_mas_system("sequential_light", dataset="mbppplus", device="cpu", release=toy_release) as system:
        yield system


def test_a_loaded_system_by_its_published_names(system, toy_release):
    repo = toy_release / "RecursiveMAS" / "Sequential-Light-Planner-Qwen3-1.7B"
    assert isinstance(system, LoadedMASSystem)
    assert isinstance(system.style, str)
    assert (system.style, system.family, system.dataset) == ("sequential_light", "sequential", "mbppplus")
    planner = system.agents["planner"]
    assert isinstance(planner, LoadedAgent)
    assert (planner.role, planner.repo_id) == ("planner", f"RecursiveMAS/{repo.name}")
    assert planner.repo_path == repo
    assert planner.inner_adapter_path == repo / "adapter(code).pt"
    state = torch.load(planner.inner_adapter_path, weights_only=True)
    assert all(torch.equal(value, planner.inner_adapter.state_dict()[name]) for name, value in state.items())
    assert planner.inner_adapter.adapter_type == "ln_res_adapter"
    assert planner.model.config.hidden_size == planner.hidden_size
    assert planner.tokenizer.padding_side == "left"
    assert planner.tokenizer.pad_token is not None


def test_a_thought_goes_over_the_published_names(system):
    planner, outer = system.agents["planner"], system.outer_adapters["outer_12"]
    inputs = planner.tokenizer(
        ["A plan.", "A plan for a longer question."], return_tensors="pt", padding=True
    )
    hidden = planner.model(**inputs, output_hidden_states=True).hidden_states[-1][:, -1:]
    message = outer(planner.inner_adapter(hidden))
    assert message.shape == (2, 1, system.agents["critic"].hidden_size)
    assert (outer.in_dim, outer.out_dim) == (planner.hidden_size, system.agents["critic"].hidden_size)


def test_paths_without_loading_are_those_of_the_system(system, toy_release):
    paths = resolve_mas_paths("sequential_light", "mbppplus", release=toy_release)
    assert isinstance(paths, ResolvedMASPaths)
    assert paths == system.paths
    roles = {"planner", "critic", "solver"}
    assert set(paths.repo_ids) == set(paths.repo_paths) == {*roles, "outer"}
    assert paths.repo_ids["outer"] == "RecursiveMAS/Sequential-Light-Outerlinks"
    assert paths.repo_paths["outer"] == toy_release / "RecursiveMAS" / "Sequential-Light-Outerlinks"
    assert set(paths.inner_adapter_paths) == roles
    assert (
        set(paths.outer_adapter_paths) == {"outer_12", "outer_23", "outer_31"} == set(system.outer_adapters)
    )
    for path in (*paths.inner_adapter_paths.values(), *paths.outer_adapter_paths.values()):
        assert path.name.endswith("(code).pt")
        assert path.is_file()


def test_a_summary_goes_into_json(system):
    summary = summarize_mas_paths(system.paths)
    assert json.loads(json.dumps(summary)) == summary
    assert (summary["style"], summary["family"], summary["dataset"]) == (
        "sequential_light",
        "sequential",
        "mbppplus",
    )
    assert summary["outer_adapter_paths"]["outer_12"] == str(system.paths.outer_adapter_paths["outer_12"])


def test_links_that_start_untrained_have_no_path(toy_release):
    graph = {
        "name": "pair",
        "agents": [
            {
                "role": "first",
                "repo": "Sequential-Light-Planner-Qwen3-1.7B",
                "prompt": "sequential/planner",
                "fresh_inner_link": True,
            },
            {
                "role": "second",
                "repo": "Sequential-Light-Critic-Llama3.2-1B",
                "prompt": "sequential/critic",
                "fresh_inner_link": True,
            },
        ],
        "links": [{"source": "first", "target": "second", "slot": "plan", "fresh": True}],
    }
    paths = resolve_mas_paths(graph, release=toy_release)
    assert (paths.inner_adapter_paths, paths.outer_adapter_paths) == ({}, {})
    assert set(paths.repo_ids) == set(paths.repo_paths) == {"first", "second"}


def test_an_unloaded_system_is_closed(toy_release):
    system = load_mas_system("distillation", device="cpu", release=toy_release)
    unload_mas_system(system)
    assert not system.agents
    with pytest.raises(UserError, match="the system is closed"):
        system.solve("1 + 1?")

"""The names of the published hf_resolver.py and load_from_repo.py, as a notebook uses them."""

from __future__ import annotations

import shutil

import pytest

from hf_resolver import (
    infer_adapter_task_for_dataset,
    resolve_inner_adapter,
    resolve_medqa_dataset_arg,
    resolve_outer_paths,
    task_for_inner_repo,
)
from load_from_repo import DATASET_DEFAULT_SPLIT, STYLE_SPECS
from recursivemas.benchmarks import BENCHMARKS, DatasetError
from recursivemas.release.paths import resolve_mas_paths
from recursivemas.release.resolve import ReleaseError
from recursivemas.styles import PUBLISHED_STYLES


@pytest.fixture
def repositories(toy_release):
    return toy_release / "RecursiveMAS"


def test_specs_name_every_repository():
    assert STYLE_SPECS["distillation"] == {
        "family": "distillation",
        "repos": {
            "expert": "RecursiveMAS/Distillation-Expert-Qwen3.5-9B",
            "learner": "RecursiveMAS/Distillation-Learner-Qwen3.5-4B",
            "outer": "RecursiveMAS/Distillation-Outerlinks",
        },
    }
    assert {name: spec["family"] for name, spec in STYLE_SPECS.items()} == {
        "sequential_light": "sequential",
        "sequential_scaled": "sequential",
        "mixture": "mixture",
        "distillation": "distillation",
        "deliberation": "deliberation",
    }
    assert set(STYLE_SPECS["mixture"]["repos"]) == {"math", "code", "science", "summarizer", "outer"}


def test_every_dataset_has_its_split():
    assert set(DATASET_DEFAULT_SPLIT) == set(BENCHMARKS)
    assert DATASET_DEFAULT_SPLIT["math500"] == "test"
    assert DATASET_DEFAULT_SPLIT["hotpotqa"] == "validation"
    assert DATASET_DEFAULT_SPLIT["medqa"] is None


@pytest.mark.parametrize("style", PUBLISHED_STYLES)
@pytest.mark.parametrize("dataset", ["gpqa", "mbppplus"])
def test_every_link_of_a_style_is_found(repositories, style, dataset):
    task = infer_adapter_task_for_dataset(dataset)
    repos = {
        role: repositories / repo.rpartition("/")[2] for role, repo in STYLE_SPECS[style]["repos"].items()
    }
    expected = resolve_mas_paths(style, dataset, release=repositories.parent)
    assert resolve_outer_paths(repos.pop("outer"), task=task) == expected.outer_adapter_paths
    assert {
        role: resolve_inner_adapter(folder, task_for_inner_repo(folder.name, task))
        for role, folder in repos.items()
    } == expected.inner_adapter_paths


@pytest.mark.parametrize("style", PUBLISHED_STYLES)
def test_outer_links_are_found_by_their_names_without_a_manifest(repositories, style, tmp_path):
    source = repositories / PUBLISHED_STYLES[style].outer_repo
    bare = shutil.copytree(source, tmp_path / "bare", ignore=shutil.ignore_patterns("*.json"))
    named = {key: path.name for key, path in resolve_outer_paths(bare, task="math").items()}
    assert named == {key: path.name for key, path in resolve_outer_paths(source, task="math").items()}


def test_links_that_are_not_there(tmp_path):
    with pytest.raises(ReleaseError, match=r"holds no inner link: .*adapter\(code\)\.pt or adapter\.pt"):
        resolve_inner_adapter(tmp_path, "code")
    with pytest.raises(ReleaseError, match="holds no outer links"):
        resolve_outer_paths(tmp_path, task="math")
    with pytest.raises(ReleaseError, match="there is no folder"):
        resolve_inner_adapter(tmp_path / "nowhere", "math")


def test_tasks_of_datasets_and_repositories():
    assert infer_adapter_task_for_dataset("livecodebench") == "code"
    with pytest.raises(DatasetError, match="unknown dataset 'gsm8k'"):
        infer_adapter_task_for_dataset("gsm8k")
    assert task_for_inner_repo("RecursiveMAS/Mixture-Summarizer-Qwen3.5-2B", "code") is None
    assert task_for_inner_repo("Sequential-Light-Critic-Llama3.2-1B", "code") == "code"
    assert task_for_inner_repo("me/my-own", "code") == "code"


def test_medqa_is_a_file():
    assert resolve_medqa_dataset_arg("medqa").endswith("medqa.json")
    assert resolve_medqa_dataset_arg("math500") == "math500"

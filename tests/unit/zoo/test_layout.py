"""The toy release's folder: complete, small, and laid out as the published one."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors import safe_open

from recursivemas.styles import PUBLISHED_STYLES, Style
from tests.support.toy_agents import ROLE_IDS, ROLES, inner_link_files, outer_rows, read_json


def test_every_published_repository_is_there_and_nothing_else(hub: Path):
    agents = {agent.repo for style in PUBLISHED_STYLES.values() for agent in style.agents}
    outer = {style.outer_repo for style in PUBLISHED_STYLES.values()}
    assert {path.name for path in hub.iterdir()} == agents | outer


def test_the_release_is_small(toy_release: Path):
    assert sum(path.stat().st_size for path in toy_release.rglob("*") if path.is_file()) < 40e6


@pytest.mark.parametrize(("style", "role"), ROLES, ids=ROLE_IDS)
def test_a_role_repository_holds_model_tokenizer_and_links_only(hub: Path, style: Style, role: str):
    folder = hub / style.agent(role).repo
    expected = {"config.json", "generation_config.json", "model.safetensors", "adapter_config.json"}
    expected |= {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    expected |= {path.name for path in inner_link_files(hub, style, role)}
    optional = {"innerlink_config.json", "pytorch_model.bin"}
    assert {path.name for path in folder.iterdir()} - optional == expected
    assert read_json(folder / "adapter_config.json") == {"adapter_type": "ln_res_adapter"}


@pytest.mark.parametrize("style", PUBLISHED_STYLES.values(), ids=PUBLISHED_STYLES)
def test_outer_manifests_name_all_links_and_files(hub: Path, style: Style):
    assert style.outer_repo is not None
    folder = hub / style.outer_repo
    named = set()
    for rows in outer_rows(hub, style):
        assert [row["legacy_key"] for row in rows] == [link.key for link in style.links]
        named |= {row["filename"] for row in rows}
    assert len(named) == len(style.links) * max(1, len(style.link_sets))
    assert {path.name for path in folder.iterdir()} == named | {"outerlink_config.json"}


def test_file_names_are_the_published_ones(hub: Path):
    for name in (
        "Sequential-Light-Outerlinks/Planner-Critic-Outerlink(math).pt",
        "Sequential-Scaled-Outerlinks/Solver-Planner-Outerlink(code).pt",
        "Mixture-Outerlinks/Summarizer-Science-Outerlink.pt",
        "Distillation-Outerlinks/Expert-Learner-Outerlink.pt",
        "Distillation-Outerlinks/Learner-Expert-Outerlink.pt",
    ):
        assert (hub / name).is_file()


def test_the_layout_has_the_variety_that_loaders_must_handle(hub: Path):
    repositories = sorted(path.name for path in hub.iterdir())
    with_manifest = [name for name in repositories if (hub / name / "innerlink_config.json").exists()]
    with_decoy = [name for name in repositories if (hub / name / "pytorch_model.bin").exists()]
    assert with_manifest == ["Distillation-Expert-Qwen3.5-9B"]
    assert with_decoy == ["Mixture-Science-BioMistral-7B"]
    dtypes = {}
    for path in hub.glob("*/model.safetensors"):
        with safe_open(path, "pt") as file:
            dtypes[path.parent.name] = {file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
    assert dtypes.pop("Mixture-Science-BioMistral-7B") == {"BF16"}
    assert all(dtype == {"F32"} for dtype in dtypes.values())


def test_link_sets_differ(hub: Path):
    for style in PUBLISHED_STYLES.values():
        files = [path for role in style.roles for path in inner_link_files(hub, style, role)]
        files += [
            hub / str(style.outer_repo) / r["filename"] for rows in outer_rows(hub, style) for r in rows
        ]
        contents = [path.read_bytes() for path in files]
        assert len(set(contents)) == len(files)

"""Which files of a repository are chosen, and what is said of a damaged manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recursivemas.release.errors import ReleaseError
from recursivemas.release.manifests import (
    OuterEntry,
    companion_files,
    find_inner_link,
    find_outer_link,
    has_model,
    inner_variant,
    weight_files,
)
from recursivemas.release.repositories import Repository, open_folder
from recursivemas.styles import DEFAULT_INNER_VARIANT, LinkSpec
from tests.support.small_release import outer_entry, write_json, write_model

EDGE = LinkSpec(source="planner", target="critic", slot="plan", key="outer_12")


def repository(folder: Path, *names: str, **manifests: Any) -> Repository:
    """A folder with empty files, and with manifests given as name=content (their `.json` left out)."""
    for name in names:
        (folder / name).write_bytes(b"")
    for name, content in manifests.items():
        write_json(folder / f"{name}.json", content)
    return open_folder(folder)


# ----- the model


def test_safetensors_are_preferred_and_one_format_is_enough(tmp_path: Path) -> None:
    repo = open_folder(write_model(tmp_path / "model"))
    assert weight_files(repo) == ["model.safetensors"]


def test_bin_is_taken_where_there_is_nothing_else(tmp_path: Path) -> None:
    repo = repository(tmp_path, "config.json", "pytorch_model.bin")
    assert weight_files(repo) == ["pytorch_model.bin"]


def test_shards_are_those_that_the_index_names(tmp_path: Path) -> None:
    shards = ["model.safetensors-00001-of-00002.safetensors", "model.safetensors-00002-of-00002.safetensors"]
    (tmp_path / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": shards[0], "b": shards[1], "c": shards[0]}}), encoding="utf-8"
    )
    repo = repository(tmp_path, "config.json", "consolidated.safetensors", *shards)
    assert weight_files(repo) == ["model.safetensors.index.json", *shards]


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    write_json(
        tmp_path / "model.safetensors.index.json", {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
    )
    repo = repository(tmp_path, "config.json")
    with pytest.raises(ReleaseError, match=r"lacks model-00001-of-00001\.safetensors.*index"):
        weight_files(repo)


@pytest.mark.parametrize(
    ("present", "missing"), [("config.json", "weights"), ("model.safetensors", r"config\.json")]
)
def test_half_a_model_is_refused(tmp_path: Path, present: str, missing: str) -> None:
    repo = repository(tmp_path, present)
    assert not has_model(repo)
    with pytest.raises(ReleaseError, match=f"holds no {missing}"):
        weight_files(repo)


def test_companions_are_configuration_tokenizer_and_templates(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("", encoding="utf-8")
    (folder / "tokenizer.model").write_bytes(b"")
    write_json(folder / "pytorch_model.bin.index.json", {})
    repo = open_folder(folder)
    expected = {
        "additional_chat_templates/tool_use.jinja",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
    }
    assert set(companion_files(repo, with_code=False)) == expected
    assert set(companion_files(repo, with_code=True)) == expected | {"modeling_small.py"}


# ----- inner links


@pytest.mark.parametrize(
    ("names", "link_set", "chosen"),
    [
        (["adapter(math).pt", "adapter(code).pt", "adapter.pt"], "code", "adapter(code).pt"),
        (["adapter(math).pt", "adapter.pt"], "code", "adapter.pt"),
        (["adapter.pt"], None, "adapter.pt"),
        (["adapter(math).pt"], None, None),
        (["adapter(math).pt"], "code", None),
    ],
)
def test_inner_link_by_convention(
    tmp_path: Path, names: list[str], link_set: str | None, chosen: str | None
) -> None:
    assert find_inner_link(repository(tmp_path, *names), link_set) == chosen


def test_inner_manifest_wins_over_the_convention(tmp_path: Path) -> None:
    tasks = {"math": {"adapter.pt": "mine.pt"}}
    repo = repository(
        tmp_path, "mine.pt", "adapter(math).pt", "adapter(code).pt", innerlink_config={"tasks": tasks}
    )
    assert find_inner_link(repo, "math") == "mine.pt"
    assert find_inner_link(repo, "code") == "adapter(code).pt", "the manifest is silent about code"
    assert find_inner_link(repo, None) == "mine.pt", "its only entry"


def test_several_link_sets_need_a_choice(tmp_path: Path) -> None:
    tasks = {"math": {"adapter.pt": "a.pt"}, "code": {"adapter.pt": "b.pt"}}
    repo = repository(tmp_path, "a.pt", "b.pt", innerlink_config={"tasks": tasks})
    with pytest.raises(ReleaseError, match=r"link_sets: \[math, code\]"):
        find_inner_link(repo, None)
    write_json(tmp_path / "innerlink_config.json", {"tasks": {"math": tasks["math"], "code": tasks["math"]}})
    assert find_inner_link(repo, None) == "a.pt", "both say the same"


@pytest.mark.parametrize(
    ("config", "variant"),
    [
        ({"adapter_type": "2layer_res"}, "2layer_res"),
        ({"peft_type": "LORA"}, DEFAULT_INNER_VARIANT),
        (None, DEFAULT_INNER_VARIANT),
    ],
)
def test_inner_variant(tmp_path: Path, config: Any, variant: str) -> None:
    manifests = {} if config is None else {"adapter_config": config}
    assert inner_variant(repository(tmp_path, **manifests)) == variant


# ----- outer links


def test_outer_manifest_with_one_list(tmp_path: Path) -> None:
    manifest = {"format_version": 1, "paradigm": "sequential", "adapters": [outer_entry("outer_12", "a.pt")]}
    repo = repository(tmp_path, "a.pt", "Planner-Critic-Outerlink.pt", outerlink_config=manifest)
    expected = OuterEntry(filename="a.pt", variant="outer_ln_res_adapter", in_dim=48, out_dim=64)
    assert find_outer_link(repo, EDGE, "math") == expected


def test_outer_manifest_by_task(tmp_path: Path) -> None:
    tasks = {
        "math": {"adapters": [outer_entry("outer_12", "m.pt")]},
        "code": {"adapters": [outer_entry("outer_12", "c.pt", adapter_type="outer_adapter", in_dim=7)]},
    }
    repo = repository(tmp_path, "m.pt", "c.pt", outerlink_config={"tasks": tasks})
    expected = OuterEntry(filename="c.pt", variant="outer_adapter", in_dim=7, out_dim=64)
    assert find_outer_link(repo, EDGE, "code") == expected
    with pytest.raises(ReleaseError, match=r"link_sets: \[math, code\]"):
        find_outer_link(repo, EDGE, None)


def test_one_list_may_hold_both_link_sets(tmp_path: Path) -> None:
    names = ["Planner-Critic-Outerlink(math).pt", "Planner-Critic-Outerlink(code).pt"]
    manifest = {"adapters": [outer_entry("outer_12", name) for name in names]}
    repo = repository(tmp_path, *names, outerlink_config=manifest)
    found = find_outer_link(repo, EDGE, "code")
    assert found is not None
    assert found.filename == names[1]


@pytest.mark.parametrize(
    ("names", "link_set", "chosen"),
    [
        (["Planner-Critic-Outerlink(math).pt", "Planner-Critic-Outerlink.pt"], "math", 0),
        (["Planner-Critic-Outerlink(math).pt", "Planner-Critic-Outerlink.pt"], "code", 1),
        (["Planner-Critic-Outerlink.pt", "outer_12.pt"], None, 0),
        (["outer_12.pt"], "math", 0),
        (["Critic-Planner-Outerlink.pt"], "math", None),
    ],
)
def test_outer_link_by_convention(
    tmp_path: Path, names: list[str], link_set: str | None, chosen: int | None
) -> None:
    found = find_outer_link(repository(tmp_path, *names), EDGE, link_set)
    assert (found and found.filename) == (None if chosen is None else names[chosen])


def test_a_locally_trained_folder(tmp_path: Path) -> None:
    """outer_12.pt by name, its variant from outer_adapter_config.json."""
    config = {"adapter_type": "outer_linear_res_adapter"}
    found = find_outer_link(repository(tmp_path, "outer_12.pt", outer_adapter_config=config), EDGE, None)
    assert found == OuterEntry(filename="outer_12.pt", variant="outer_linear_res_adapter")


def test_a_key_that_the_manifest_lacks_is_looked_for_by_name(tmp_path: Path) -> None:
    manifest = {"format_version": 1, "adapters": [outer_entry("outer_99", "other.pt")]}
    repo = repository(tmp_path, "other.pt", "outer_12.pt", outerlink_config=manifest)
    found = find_outer_link(repo, EDGE, None)
    assert found is not None
    assert found.filename == "outer_12.pt"


# ----- damage


def outer_manifest(**entry: Any) -> dict[str, Any]:
    return {"format_version": 1, "adapters": [{**outer_entry("outer_12", "a.pt"), **entry}]}


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ({"format_version": 2, "adapters": []}, "format_version 2.*reads 1"),
        ({"format_version": 1}, 'no "adapters", neither'),
        ({"adapters": {"outer_12": "a.pt"}}, "adapters is a mapping of 1; it has to be a list"),
        ({"adapters": ["a.pt"]}, r"adapters\[0\] is 'a.pt'; it has to be a mapping with filename, leg"),
        ({"tasks": []}, "tasks is a list of 0; it has to be a mapping"),
        ({"tasks": {"math": {}}}, r"tasks\.math\.adapters is missing"),
        (["a.pt"], "holds a list"),
        ({"adapters": [{"legacy_key": "outer_12"}]}, r"adapters\[0\]\.filename is missing"),
        ({"adapters": [outer_entry("outer_12", "a.pt")] * 2}, "outer_12 more than once"),
        (outer_manifest(filename=7), r"adapters\[0\]\.filename is 7; it has to be text"),
        (outer_manifest(filename="b.pt"), "b.pt, which is not there"),
        (outer_manifest(filename="../a.pt"), r"'\.\./a\.pt', which lies outside"),
        (outer_manifest(filename="/etc/a.pt"), "outside"),
        (outer_manifest(filename="C:\\a.pt"), "outside"),
        (outer_manifest(in_dim=10**30), r"adapters\[0\]\.in_dim is 1000"),
        (outer_manifest(legacy_key=12), r"adapters\[0\]\.legacy_key is 12; it has to be text"),
        (outer_manifest(in_dim="48"), r"adapters\[0\]\.in_dim is '48'; it has to be a whole number"),
        (
            outer_manifest(adapter_type=["x"]),
            r"adapters\[0\]\.adapter_type is a list of 1; it has",
        ),
    ],
)
def test_bad_outer_manifest(tmp_path: Path, manifest: Any, says: str) -> None:
    folder = tmp_path / "repo"
    folder.mkdir()
    (tmp_path / "a.pt").write_bytes(b"outside")
    repo = repository(folder, "a.pt", outerlink_config=manifest)
    with pytest.raises(ReleaseError, match=says) as caught:
        find_outer_link(repo, EDGE, "math")
    assert "outerlink_config.json" in str(caught.value)


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ({}, "tasks is missing"),
        ({"tasks": {"math": "adapter.pt"}}, r"tasks\.math is 'adapter.pt'; .* a mapping with adapter\.pt"),
        ({"tasks": {"math": {}}}, r"tasks\.math\.'adapter\.pt' is missing"),
        ({"tasks": {"math": {"adapter.pt": "../../x.pt"}}}, "outside"),
        ({"tasks": {"math": {"adapter.pt": "gone.pt"}}}, "gone.pt, which is not there"),
    ],
)
def test_bad_inner_manifest(tmp_path: Path, manifest: Any, says: str) -> None:
    repo = repository(tmp_path, "adapter.pt", innerlink_config=manifest)
    with pytest.raises(ReleaseError, match=says) as caught:
        find_inner_link(repo, "math")
    assert "innerlink_config.json" in str(caught.value)


@pytest.mark.parametrize("content", [b'{"tasks": {"ma', b"", b"\xff\xfe\x00"])
def test_a_truncated_manifest_says_to_get_it_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "innerlink_config.json").write_bytes(content)
    with pytest.raises(ReleaseError, match=r"damaged: it is not valid JSON, perhaps cut short.*Delete it"):
        find_inner_link(open_folder(tmp_path), "math")


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ({}, "weight_map is missing"),
        ({"weight_map": {}}, "weight_map is a mapping of 0; it has to be longer"),
        ({"weight_map": {"a": 1}}, r"weight_map\.a is 1; it has to be text"),
    ],
)
def test_an_index_that_names_no_shards_is_damaged(tmp_path: Path, index: Any, says: str) -> None:
    write_json(tmp_path / "model.safetensors.index.json", index)
    with pytest.raises(ReleaseError, match=f"index.json is damaged: {says}.*Delete it"):
        weight_files(repository(tmp_path, "config.json"))


def test_publishers_may_write_more_than_is_read(tmp_path: Path) -> None:
    manifest = {**outer_manifest(trained_by="somebody"), "paradigm": "sequential"}
    repo = repository(tmp_path, "a.pt", outerlink_config=manifest)
    assert find_outer_link(repo, EDGE, None) is not None


def test_an_index_may_not_lead_outside(tmp_path: Path) -> None:
    write_json(tmp_path / "model.safetensors.index.json", {"weight_map": {"a": "../secret.safetensors"}})
    with pytest.raises(ReleaseError, match="outside"):
        weight_files(repository(tmp_path, "config.json"))

"""A release -> files: folders, overrides, untrained links, and the view that models are loaded from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recursivemas.files.toy_release import TRAINED_TOY
from recursivemas.release.resolve import LinkFile, ReleaseError, ReleaseFiles, model_view, resolve_release
from recursivemas.styles import PUBLISHED_STYLES, AgentSpec, LinkSpec, Style
from tests.support.small_release import (
    SMALL_STYLE,
    outer_entry,
    write_json,
    write_model,
    write_outer_links,
    write_release,
)

PLAN, FEEDBACK = ("planner", "solver"), ("solver", "planner")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of the small release's repositories."""
    return write_release(tmp_path / "release") / "RecursiveMAS"


@pytest.fixture
def resolve(home: Path) -> Callable[..., ReleaseFiles]:
    def resolve(style: Style = SMALL_STYLE, task: str = "math", **arguments: Any) -> ReleaseFiles:
        return resolve_release(style, task, **{"release": home.parent, **arguments})

    return resolve


def with_planner(**changes: Any) -> Style:
    planner, solver = SMALL_STYLE.agents
    return replace(SMALL_STYLE, agents=(replace(planner, **changes), solver))


def with_plan_link(**changes: Any) -> Style:
    plan, feedback = SMALL_STYLE.links
    return replace(SMALL_STYLE, links=(replace(plan, **changes), feedback))


# ----- folders


@pytest.mark.parametrize("task", ["math", "code"])
def test_a_folder_release(resolve: Callable[..., ReleaseFiles], home: Path, task: str) -> None:
    files = resolve(task=task)
    assert files.source == str(home.parent)
    planner = files.agents["planner"]
    assert planner.model_dir == home / "Small-Planner"
    assert planner.inner_link == home / "Small-Planner" / f"adapter({task}).pt"
    assert (planner.role, planner.revision, planner.inner_variant) == ("planner", None, "ln_res_adapter")
    assert files.links[PLAN] == LinkFile(
        path=home / "Small-Outerlinks" / f"Planner-Solver-Outerlink({task}).pt",
        variant="outer_ln_res_adapter",
        in_dim=48,
        out_dim=64,
        repo_id="RecursiveMAS/Small-Outerlinks",
    )
    assert set(files.links) == {PLAN, FEEDBACK}


def test_the_organisation_folder_may_be_given_itself(
    resolve: Callable[..., ReleaseFiles], home: Path
) -> None:
    assert resolve(release=str(home)).agents["planner"].model_dir == home / "Small-Planner"


def test_a_missing_repository_names_both_places(resolve: Callable[..., ReleaseFiles], home: Path) -> None:
    with pytest.raises(ReleaseError) as caught:
        resolve(with_planner(repo="No-Planner"))
    assert str(home / "No-Planner") in str(caught.value)
    assert str(home.parent / "No-Planner") in str(caught.value)


@pytest.mark.parametrize("release", ["hubb", "/no/such/folder"])
def test_an_unknown_release_lists_what_is_accepted(release: str) -> None:
    with pytest.raises(
        ReleaseError, match=f"'{release}' is not known. Accepted are hub, toy, toy-random, and an existing"
    ):
        resolve_release(SMALL_STYLE, "math", release=release)


def test_a_folder_has_no_revisions(resolve: Callable[..., ReleaseFiles]) -> None:
    with pytest.raises(ReleaseError, match="'v1' cannot be pinned"):
        resolve(revision="v1")


def test_the_random_toy_is_built_and_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recursivemas.zoo.ensure", lambda: home.parent)
    files = resolve_release(SMALL_STYLE, "math", release="toy-random")
    assert files.source == f"toy-random ({home.parent})"
    assert files.agents["solver"].model_dir == home / "Small-Solver"


def test_the_trained_toy_comes_with_the_package() -> None:
    for style in PUBLISHED_STYLES.values():
        files = resolve_release(style, "math", release="toy")
        assert all(one.model_dir.is_relative_to(TRAINED_TOY) for one in files.agents.values())
    with pytest.raises(ReleaseError, match=r"the release toy .* does not hold Small-\w+: .* Copy the"):
        resolve_release(SMALL_STYLE, "math", release="toy")


def test_a_repository_may_be_a_path(resolve: Callable[..., ReleaseFiles], tmp_path: Path) -> None:
    own = write_model(tmp_path / "own")
    (own / "adapter.pt").write_bytes(b"")
    assert resolve(with_planner(repo=str(own))).agents["planner"].model_dir == own
    with pytest.raises(ReleaseError, match=r"written as a path"):
        resolve(with_planner(repo="./no/such/folder"))


def test_a_relative_path_stays_valid_elsewhere(
    resolve: Callable[..., ReleaseFiles], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write_model(tmp_path / "models" / "own")
    (own / "adapter.pt").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert resolve(with_planner(repo="models/own")).agents["planner"].model_dir == own
    assert resolve(overrides={"planner": "models/own"}).agents["planner"].model_dir == own


def test_an_owner_is_a_folder_of_the_release(resolve: Callable[..., ReleaseFiles], home: Path) -> None:
    own = write_model(home.parent / "someone" / "Base")
    style = with_planner(repo="someone/Base", fresh_inner_link=True)
    assert resolve(style).agents["planner"].model_dir == own


def test_agents_may_share_a_repository(resolve: Callable[..., ReleaseFiles], home: Path) -> None:
    files = resolve(with_planner(repo="Small-Solver"))
    assert files.agents["planner"].model_dir == files.agents["solver"].model_dir == home / "Small-Solver"


def test_a_link_may_have_its_own_repository(resolve: Callable[..., ReleaseFiles], home: Path) -> None:
    (home / "Other-Links").mkdir()
    (home / "Other-Links" / "outer_12.pt").write_bytes(b"")
    files = resolve(with_plan_link(repo="Other-Links"))
    assert files.links[PLAN].path == home / "Other-Links" / "outer_12.pt"
    assert files.links[PLAN].variant is None
    assert files.links[FEEDBACK].repo_id == "RecursiveMAS/Small-Outerlinks"


def test_a_missing_inner_link_says_what_was_looked_for(
    resolve: Callable[..., ReleaseFiles], home: Path
) -> None:
    (home / "Small-Planner" / "adapter(math).pt").unlink()
    with pytest.raises(ReleaseError) as caught:
        resolve()
    for words in ("no inner link for planner", "adapter(math).pt or adapter.pt", "it holds adapter(code).pt"):
        assert words in str(caught.value)
    assert "override planner=FOLDER" in str(caught.value)


# ----- untrained links


def test_untrained_links_need_no_file(resolve: Callable[..., ReleaseFiles], home: Path) -> None:
    for path in home.glob("Small-Planner/adapter*"):
        path.unlink()
    planner, solver = with_planner(fresh_inner_link=True).agents
    links = tuple(
        LinkSpec(source=link.source, target=link.target, slot=link.slot, feedback=link.feedback, fresh=True)
        for link in SMALL_STYLE.links
    )
    files = resolve(replace(SMALL_STYLE, agents=(planner, solver), links=links, outer_repo=None))
    assert files.agents["planner"].inner_link is None
    assert files.agents["planner"].inner_variant == "ln_res_adapter"
    assert files.links == {PLAN: LinkFile(path=None), FEEDBACK: LinkFile(path=None)}


def test_overrides_train_what_started_untrained(resolve: Callable[..., ReleaseFiles], tmp_path: Path) -> None:
    """The same style runs with its links once they are trained."""
    trained = tmp_path / "trained"
    trained.mkdir()
    for name in ("adapter.pt", "outer_12.pt"):
        (trained / name).write_bytes(b"")
    style = replace(with_plan_link(fresh=True), agents=with_planner(fresh_inner_link=True).agents)
    assert resolve(style).links[PLAN].path is None
    assert (
        resolve(style, overrides={"planner": trained}).agents["planner"].inner_link == trained / "adapter.pt"
    )
    with pytest.raises(ReleaseError, match=r"no outer link solver->planner.*outer_21\.pt"):
        resolve(style, overrides={"outer": trained})
    (trained / "outer_21.pt").write_bytes(b"")
    assert resolve(style, overrides={"outer": trained}).links[PLAN].path == trained / "outer_12.pt"


# ----- overrides


def test_a_full_model_brings_its_link(
    resolve: Callable[..., ReleaseFiles], home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = write_model(tmp_path / "own")
    (own / "adapter.pt").write_bytes(b"")
    write_json(own / "adapter_config.json", {"adapter_type": "linear_adapter"})
    files = resolve(overrides={"planner": own})
    assert caplog.messages == [f"planner: your model {own} gets its own inner link, adapter.pt"]
    planner = files.agents["planner"]
    assert (planner.model_dir, planner.inner_link) == (own, own / "adapter.pt")
    assert (planner.repo_id, planner.inner_variant) == (str(own), "linear_adapter")
    assert files.agents["solver"].model_dir == home / "Small-Solver"


def test_a_full_model_without_a_link_takes_the_release_s(
    resolve: Callable[..., ReleaseFiles], home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    planner = resolve(overrides={"planner": write_model(tmp_path / "own")}).agents["planner"]
    assert planner.model_dir == tmp_path / "own"
    assert planner.inner_repo_id == "RecursiveMAS/Small-Planner"
    (said,) = caplog.messages
    assert "has no inner link and gets the release's, adapter(math).pt of RecursiveMAS/Small-Planner" in said
    assert planner.inner_link == home / "Small-Planner" / "adapter(math).pt"


def test_a_link_alone_keeps_the_release_s_model(
    resolve: Callable[..., ReleaseFiles], home: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "adapter.pt").write_bytes(b"")
    write_json(own / "adapter_config.json", {"adapter_type": "2layer"})
    write_json(own / "train_args.json", {})
    planner = resolve(overrides={"planner": own}).agents["planner"]
    assert (planner.model_dir, planner.repo_id) == (home / "Small-Planner", "RecursiveMAS/Small-Planner")
    assert (planner.inner_link, planner.inner_variant) == (own / "adapter.pt", "2layer")


def test_outer_links_of_ones_own(resolve: Callable[..., ReleaseFiles], tmp_path: Path) -> None:
    own = write_outer_links(tmp_path / "own")
    files = resolve(task="code", overrides={"outer": own})
    assert files.links[FEEDBACK].path == own / "Solver-Planner-Outerlink(code).pt"
    trained = tmp_path / "trained"
    trained.mkdir()
    (trained / "outer_12.pt").write_bytes(b"")
    (trained / "second.pt").write_bytes(b"")
    entries = [outer_entry("outer_21", "second.pt", adapter_type="outer_adapter")]
    write_json(trained / "outerlink_config.json", {"format_version": 1, "adapters": entries})
    write_json(trained / "outer_adapter_config.json", {"adapter_type": "outer_ln_adapter"})
    links = resolve(overrides={"outer": trained}).links
    assert (links[PLAN].path, links[PLAN].variant) == (trained / "outer_12.pt", "outer_ln_adapter")
    assert (links[FEEDBACK].path, links[FEEDBACK].variant) == (trained / "second.pt", "outer_adapter")


def test_a_release_is_not_needed_when_all_is_overridden(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    names = {"planner": "Small-Planner", "solver": "Small-Solver", "outer": "Small-Outerlinks"}
    overrides = {key: home / name for key, name in names.items()}
    files = resolve_release(SMALL_STYLE, "math", release=tmp_path / "empty", overrides=overrides)
    assert files.agents["solver"].inner_link == home / "Small-Solver" / "adapter(math).pt"


@pytest.mark.parametrize(
    ("key", "make", "says"),
    [
        ("critic", True, r"has no 'critic'; accepted are planner, solver, outer"),
        ("planner", False, "there is no such folder"),
        ("planner", True, r"neither a model \(config.json and weights\) nor an inner link \(adapter\(math\)"),
        ("outer", True, "no outer link planner->solver"),
    ],
)
def test_bad_overrides(
    resolve: Callable[..., ReleaseFiles], tmp_path: Path, key: str, make: bool, says: str
) -> None:
    own = tmp_path / "own"
    if make:
        own.mkdir()
        write_json(own / "config.json", {})
    with pytest.raises(ReleaseError, match=says) as caught:
        resolve(overrides={key: own})
    assert str(own) in str(caught.value)


def test_a_style_without_link_sets_cannot_choose_between_two(resolve: Callable[..., ReleaseFiles]) -> None:
    agents = tuple(AgentSpec(role=a.role, repo=a.repo, prompt=a.prompt) for a in SMALL_STYLE.agents)
    style = Style(name="mine", agents=agents, links=SMALL_STYLE.links, outer_repo=SMALL_STYLE.outer_repo)
    with pytest.raises(ReleaseError, match=r"there is no adapter\.pt \(it holds adapter\(code\)\.pt,"):
        resolve(style)


# ----- the view that models are loaded from


def contents(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_view_lacks_only_the_adapter_s_config(home: Path) -> None:
    folder = home / "Small-Planner"
    before = contents(folder)
    with model_view(folder) as view:
        assert {path.name for path in view.iterdir()} == {p.name for p in folder.iterdir()} - {
            "adapter_config.json"
        }
        assert (view / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
        assert view.name == folder.name
    assert not view.exists()
    assert contents(folder) == before, "nothing is written, nothing is deleted"


@pytest.fixture(scope="module")
def real_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2 with a release's adapter_config.json beside it."""
    transformers = pytest.importorskip("transformers")
    config = transformers.Qwen2Config(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=32,
    )
    folder = tmp_path_factory.mktemp("real")
    transformers.Qwen2ForCausalLM(config).save_pretrained(folder)
    write_json(folder / "adapter_config.json", {"adapter_type": "ln_res_adapter"})
    return folder


def load_through_view(folder: Path) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    with model_view(folder) as view:
        AutoConfig.from_pretrained(view)
        return AutoModelForCausalLM.from_pretrained(view)


def test_loads_with_peft_installed(real_model: Path) -> None:
    pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    with pytest.raises((KeyError, TypeError)):
        AutoModelForCausalLM.from_pretrained(real_model)  # the trap: taken for one of peft's
    before = contents(real_model)
    model = load_through_view(real_model)
    assert sum(weight.sum() for weight in model.parameters()).isfinite(), "weights outlive the view"
    assert contents(real_model) == before


def test_loads_without_peft(real_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("transformers.models.auto.auto_factory", "transformers.integrations.peft"):
        monkeypatch.setattr(f"{module}.is_peft_available", lambda: False)
    assert load_through_view(real_model).config.hidden_size == 16

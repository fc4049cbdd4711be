"""The same models with other links: as good as loaded by themselves, and loaded once."""

from __future__ import annotations

import shutil

import pytest
import torch

from recursivemas import Question, load_mas_system
from recursivemas.agents import load_agents
from recursivemas.benchmarks import find_benchmark
from recursivemas.errors import UserError
from recursivemas.links import InnerLink, OuterLink, save_link
from recursivemas.runs.variants import load_variants
from recursivemas.styles import DISTILLATION

pytestmark = pytest.mark.process

QUESTIONS = [Question(id=f"q{number}", text=f"What is {number} + {number}?") for number in range(2)]
SETTINGS = {"num_rounds": 2, "latent_length": 3, "max_new_tokens": 4, "save_latents": True}


@pytest.fixture(scope="module")
def sets(tmp_path_factory, toy_release) -> dict[str, dict[str, str]]:
    """The release's links, other outer ones, and another inner one beside those of the release."""
    home = tmp_path_factory.mktemp("links")
    for name in ("outer", "inner"):
        (home / name).mkdir()
    with load_mas_system("distillation", device="cpu", release=toy_release) as loaded:
        sizes = {role: agent.hidden_size for role, agent in loaded.agents.items()}
    torch.manual_seed(7)
    save_link(OuterLink(sizes["expert"], sizes["learner"]), home / "outer" / "outer_el.pt")
    save_link(OuterLink(sizes["learner"], sizes["expert"]), home / "outer" / "outer_le.pt")
    save_link(InnerLink(sizes["expert"]), home / "inner" / "adapter.pt")
    return {
        "release": {},
        "outer": {"outer": str(home / "outer")},
        "inner": {"expert": str(home / "inner")},
    }


def load(sets, release, **more):
    return load_variants(DISTILLATION, find_benchmark("math500"), sets, device="cpu", release=release, **more)


def solved(mas):
    return [
        (one.text, {key: message.tolist() for key, message in one.messages.items()})
        for one in mas.solve(QUESTIONS, **SETTINGS)
    ]


@pytest.mark.parametrize("dtype", ["auto", "float64"])
def test_each_set_answers_as_if_it_had_been_loaded_alone(sets, toy_release, dtype, monkeypatch):
    loaded = []
    load_engine = load_agents.load_engine
    monkeypatch.setattr(
        load_agents, "load_engine", lambda *args, **kw: loaded.append(args) or load_engine(*args, **kw)
    )
    variants = load(sets, toy_release, dtype=dtype)
    assert len(loaded) == len(DISTILLATION.agents), "models are loaded once for all sets"
    found = {name: solved(mas) for name, mas in variants.items()}
    for name, overrides in sets.items():
        with load_mas_system(
            "distillation", device="cpu", release=toy_release, overrides=overrides, dtype=dtype
        ) as alone:
            assert found[name] == solved(alone), name
            assert variants[name].agents["expert"].inner_link_path == alone.agents["expert"].inner_link_path
    assert len({str(answers) for answers in found.values()}) == len(sets)


@pytest.mark.parametrize("broken", ["model", "missing", "sizes"])
def test_a_set_that_does_not_fit_is_refused_before_a_model_is_loaded(
    broken, sets, toy_release, tmp_path, monkeypatch
):
    monkeypatch.setattr(load_agents, "load_engine", lambda *_, **__: pytest.fail("a model was loaded"))
    if broken == "model":
        expert = next((toy_release / "RecursiveMAS").glob("Distillation-Expert-*"))
        message = "variant other has another model for expert than release"
        shutil.copytree(expert, tmp_path / "expert")
        overrides = {"expert": str(tmp_path / "expert")}
    elif broken == "missing":
        overrides, message = {"outer": str(tmp_path / "nowhere")}, "there is no such folder"
    else:
        for key in ("outer_el", "outer_le"):
            save_link(OuterLink(5, 6), tmp_path / f"{key}.pt")
        overrides, message = {"outer": str(tmp_path)}, "5\\] but \\[104\\] is needed"
    with pytest.raises(UserError, match=message):
        load({"release": {}, "other": overrides}, toy_release)

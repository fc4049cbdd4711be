"""A pattern of one's own: the example in docs/ runs on toy agents."""

from __future__ import annotations

from pathlib import Path

import accelerate
import pytest
import torch

from recursivemas import load_mas_system, load_style
from recursivemas.errors import UserError

EXAMPLE = Path(__file__).parents[2] / "docs" / "two_critics.yaml"


def test_the_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) < 40


def test_two_critics_run_and_both_are_read(toy_release):
    with load_mas_system(EXAMPLE, device="cpu", release=toy_release) as system:
        assert list(system.agents) == ["planner", "logic", "numbers", "solver"]
        assert set(system.outer_adapters) == {"outer_12", "outer_23", "outer_31"}
        settings = {"num_rounds": 2, "latent_length": 2, "max_new_tokens": 8, "save_latents": True}
        solution = system.solve("What is 3 + 4?", **settings)[0]
        assert solution.text
        rounds = {
            f"r{number}/{link}" for number in (1, 2) for link in system.style.links if not link.feedback
        }
        assert set(solution.messages) == rounds | {"r1/solver->planner"}
        read = {(usage.round, usage.role): usage.latents_read for usage in solution.usage}
        assert read[1, "planner"] == 0
        assert read[2, "planner"] == 2
        assert read[2, "solver"] == 4


def test_a_fresh_link_is_the_same_whatever_the_global_random_state(toy_release):
    links = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        with load_mas_system(EXAMPLE, device="cpu", release=toy_release) as system:
            links.append(system.outer_links["planner", "numbers"].proj1.weight)
    assert torch.equal(*links)


def test_agents_of_one_repository_share_its_weights(toy_release):
    twins = {
        "name": "twins",
        "agents": [
            {"role": role, "repo": "Distillation-Expert-Qwen3.5-9B", "prompt": f"twins/{role}"}
            for role in ("first", "second")
        ],
        "links": [{"source": "first", "target": "second", "fresh": True}],
        "link_sets": ["math", "code"],
        "prompts": {
            "twins": {"first": {"any": "[[question]]"}, "second": {"any": "[[question]] [[slot:first]]"}}
        },
    }
    with load_mas_system(twins, device="cpu", release=toy_release) as system:
        assert system.agents["first"].model is system.agents["second"].model


def test_a_slot_without_a_link_is_an_error_before_anything_loads(toy_release):
    style = load_style("distillation")
    broken = {
        "name": "broken",
        "agents": [{"role": a.role, "repo": a.repo, "prompt": a.prompt} for a in style.agents],
        "links": [{"source": "expert", "target": "learner", "slot": "idea", "fresh": True}],
        "link_sets": ["math", "code"],
    }
    with pytest.raises(UserError, match=r"has no \[\[slot:idea\]\], which the link expert->learner fills"):
        load_mas_system(broken, device="cpu", release=toy_release)


def test_a_closed_system_says_so(toy_release):
    with load_mas_system("deliberation", device="cpu", release=toy_release) as system:
        pass
    with pytest.raises(UserError, match="the system is closed"):
        system.solve("What is 1 + 1?")


def test_a_setting_that_solving_does_not_read_is_refused(toy_release):
    with load_mas_system("deliberation", device="cpu", release=toy_release) as system:
        with pytest.raises(UserError, match=r"solve\(\) has no setting 'style'; it has batch_size"):
            system.solve("What is 1 + 1?", style="mixture")
        with pytest.raises(UserError, match="latent_length is -1"):
            system.solve("What is 1 + 1?", latent_length=-1)


def test_a_split_model_answers_as_a_whole_one(toy_release, tmp_path):
    """accelerate places the layers; here half of them stay on disk until they are needed."""
    settings = {"num_rounds": 2, "latent_length": 3, "max_new_tokens": 8, "greedy": True}
    with load_mas_system("sequential_light", device="cpu", release=toy_release) as system:
        whole = system.solve("What is 3 + 4?", **settings)[0].text
    with load_mas_system("sequential_light", device="split", release=toy_release) as system:
        solver = system.agents["solver"]
        layers = {f"model.layers.{n}": "disk" for n in range(solver.backbone.config.num_hidden_layers)}
        placed = {
            "model.embed_tokens": "cpu",
            "model.norm": "cpu",
            "model.rotary_emb": "cpu",
            "lm_head": "cpu",
        }
        accelerate.dispatch_model(solver.model, {**placed, **layers}, offload_dir=str(tmp_path))
        assert next(solver.model.model.layers[0].parameters()).device.type == "meta"
        assert system.solve("What is 3 + 4?", **settings)[0].text == whole

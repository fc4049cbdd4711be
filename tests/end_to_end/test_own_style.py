"""A pattern of one's own: the example in docs/ runs on toy agents."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import accelerate
import pytest
import torch

from recursivemas import Question, load_mas_system, load_style
from recursivemas.errors import UserError
from tests.support.twins import TWINS

pytestmark = pytest.mark.process

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
            f"r{number}/{link}" for number in (1, 2) for link in system.graph.links if not link.feedback
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
    with load_mas_system(TWINS, device="cpu", release=toy_release) as system:
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
        with pytest.raises(
            UserError, match=r"solve\(\) has no setting 'style'; it has allow_unisolated_code, answer_window"
        ):
            system.solve("What is 1 + 1?", style="mixture")
        for given, meant in (("temprature", "temperature"), ("num-rollouts", "num_rollouts")):
            with pytest.raises(UserError, match=rf"\(did you mean '{meant}'\?\)"):
                system.solve("What is 1 + 1?", **{given: 1})
        with pytest.raises(UserError, match=r"solve\(\) takes one latent_length, not -1"):
            system.solve("What is 1 + 1?", latent_length=-1)


def test_a_split_model_answers_as_a_whole_one(toy_release, tmp_path):
    """accelerate places the layers; here half of them stay on disk until they are needed."""
    settings = {"num_rounds": 2, "latent_length": 3, "max_new_tokens": 8, "greedy": True}
    with load_mas_system("sequential_light", device="cpu", release=toy_release) as system:
        whole = system.solve("What is 3 + 4?", **settings)[0].text
    with load_mas_system("sequential_light", device="split", release=toy_release) as system:
        solver = system.agents["solver"]
        layers = {f"model.layers.{n}": "disk" for n in range(solver.model.config.num_hidden_layers)}
        placed = {
            "model.embed_tokens": "cpu",
            "model.norm": "cpu",
            "model.rotary_emb": "cpu",
            "lm_head": "cpu",
        }
        accelerate.dispatch_model(solver.model, {**placed, **layers}, offload_dir=str(tmp_path))
        assert next(solver.model.model.layers[0].parameters()).device.type == "meta"
        assert system.solve("What is 3 + 4?", **settings)[0].text == whole


def test_a_text_gets_the_same_answer_wherever_it_stands(toy_release):
    settings = {"num_rounds": 1, "latent_length": 2, "max_new_tokens": 12}
    first, second = "What is 3 + 4?", "What is 9 - 5?"
    with load_mas_system("deliberation", device="cpu", release=toy_release, dtype="float64") as system:
        texts = [row.text for row in system.solve([first, second], **settings)]
        swapped = [row.text for row in system.solve([second, first], **settings)]
        repeated = system.solve([first, first], **settings)
    assert swapped == texts[::-1]
    assert repeated[0].text == texts[0]
    assert repeated[0].question.id != repeated[1].question.id


def test_a_text_alone_is_no_code_question(toy_release):
    with (
        load_mas_system("deliberation", "mbppplus", device="cpu", release=toy_release) as system,
        pytest.raises(UserError, match="give Question"),
    ):
        system.solve("Add two numbers.")


def test_a_question_whose_prompt_cannot_be_written_fails_alone(toy_release):
    questions = [
        Question(id="nameless", text="Add two numbers.", kind="function"),
        Question(id="sum", text="What is 1 + 1?"),
    ]
    with load_mas_system("deliberation", device="cpu", release=toy_release) as system:
        solutions = system.solve(questions, num_rounds=1, latent_length=2, max_new_tokens=4)
    assert "question 'nameless' cannot run" in solutions[0].error
    assert solutions[1].text


def test_an_answer_past_the_context_is_marked(toy_release):
    with load_mas_system("deliberation", device="cpu", release=toy_release) as system:
        settings = {"num_rounds": 1, "latent_length": 2, "greedy": True, "max_new_tokens": 40}
        short = system.solve("What is 1 + 1?", **settings)[0]
        used = sum(usage.prompt_tokens + usage.latents_read for usage in short.usage[-1:])
        config = system.agents["toolcaller"].model.config
        config.max_position_embeddings = used + 10
        long = system.solve("What is 1 + 1?", **settings)[0]
    assert not short.past_context
    assert long.past_context
    assert long.text == short.text


def test_weights_that_are_no_numbers_are_an_error(toy_release):
    with load_mas_system("deliberation", device="cpu", release=toy_release) as system:
        settings = {"num_rounds": 1, "latent_length": 2, "max_new_tokens": 4}
        head = system.agents["toolcaller"].model.get_output_embeddings().weight
        kept = head.data.clone()
        head.data.fill_(float("nan"))
        [solution] = system.solve("What is 1 + 1?", **settings)
        assert "round 1, toolcaller: what it would write is not finite" in solution.error
        head.data.copy_(kept)
        system.agents["reflector"].inner_link.post_ln.weight.data.fill_(float("nan"))
        [solution] = system.solve("What is 1 + 1?", **settings)
        assert "round 1, reflector: what it thinks is not finite" in solution.error


def test_recommended_values_are_for_the_published_style_itself(toy_release):
    style = dataclasses.replace(load_style("mixture"), outer_repo="Mixture-Outerlinks", prompts={"x": {}})
    with load_mas_system(style, device="cpu", release=toy_release) as system:
        solution = system.solve("What is 1 + 1?", num_rounds=1, max_new_tokens=2)[0]
    assert solution.usage[0].latent_steps == 32, "the default, not mixture's 64"

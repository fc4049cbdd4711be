"""What a training is told on the command line."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recursivemas.cli.main import train_main
from recursivemas.cli.training import _read_graph, main, memory_advice
from recursivemas.errors import UserError
from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.training.load import load_for_training
from recursivemas.training.settings import InnerSettings, OuterSettings, SourceSettings, role_of


def test_the_published_name_of_a_model_is_the_trained_agents():
    words = "--mas_design sequential --mas_role refiner --model_name_or_path M --dataset_name D --save_dir S"
    source = SourceSettings(**main("inner", words.split()))
    assert [agent.repo for agent in _read_graph(source)[1].agents if agent.role == "critic"] == ["M"]


OWN = """
name: own
outer_repo: X
agents:
  - {role: agent2, repo: A, prompt: own/a}
  - {role: refiner, repo: B, prompt: own/b}
links:
  - {source: agent2, target: refiner, key: KEY}
  - {source: refiner, target: agent2, feedback: true, key: outer_21}
"""


def test_the_names_that_a_style_has_are_not_the_published_ones(tmp_path):
    style = tmp_path / "own.yaml"
    style.write_text(OWN.replace("KEY", "outer_12"))
    given = {"style": str(style), "dataset_name": "D", "save_dir": "S"}
    source, graph = _read_graph(
        SourceSettings(
            **main("inner", f"--style {style} --role refiner --dataset_name D --save_dir S".split())
        )
    )
    assert source.role == "refiner"
    _, graph = _read_graph(SourceSettings(models=("agent2=M", "refiner=N"), **given))
    assert [agent.repo for agent in graph.agents] == ["M", "N"]
    assert role_of("agent1", graph) == "agent2"
    assert role_of("agent9", graph) == "agent9"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("OUTER_21", "links agent2->refiner and refiner->agent2 would both be saved as outer_21.pt"),
        ("set/outer_12", "has the key 'set/outer_12', which cannot be a file's name"),
    ],
)
def test_links_that_could_not_be_saved_side_by_side_are_refused(key, message, tmp_path):
    style = tmp_path / "own.yaml"
    style.write_text(OWN.replace("KEY", key))
    source = SourceSettings(style=str(style), dataset_name="D", save_dir="S", release="toy-random")
    with pytest.raises(UserError, match=message):
        load_for_training(_read_graph(source)[1], source, OuterSettings())


def test_a_model_of_no_agent_is_refused():
    source = {"dataset_name": "D", "save_dir": "S"}
    with pytest.raises(UserError, match="models has '=M'; give KEY=VALUE"):
        SourceSettings(models=("=M",), **source).pairs("models")
    with pytest.raises(UserError, match="ckpt_override has '=M'; give KEY=VALUE"):
        SourceSettings(role="critic", ckpt_override=("=M",), **source).pairs("ckpt_override")


@pytest.mark.parametrize(
    ("settings", "key", "role"), [(OuterSettings(), "outer", None), (InnerSettings(), "agent2", "critic")]
)
def test_links_that_training_would_not_start_from_are_refused(settings, key, role, tmp_path):
    given = (f"{key}={tmp_path}",)
    source = SourceSettings(
        dataset_name="D", save_dir="S", role=role, ckpt_override=given, release="toy-random"
    )
    with pytest.raises(UserError, match="gives links that init 'random' does not start from"):
        load_for_training(PUBLISHED_STYLES["sequential_light"], source, settings)


def test_a_model_of_an_agent_that_is_not_trained_is_refused():
    source = SourceSettings(dataset_name="D", save_dir="S", role="critic", models=("solver=M",))
    with pytest.raises(UserError, match="models names solver, but only the critic is loaded"):
        _read_graph(source)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_are_finite(number):
    with pytest.raises(UserError, match=r"outer_lr is .*; it has to be a finite number"):
        OuterSettings(outer_lr=number)


def test_rows_are_held_out_to_be_looked_at():
    with pytest.raises(UserError, match="give --eval_steps N, too"):
        OuterSettings(eval_samples=4)
    with pytest.raises(UserError, match="give --eval_samples N, too"):
        OuterSettings(eval_steps=4)


@pytest.mark.parametrize("settings", [OuterSettings(batch_size=8), InnerSettings(batch_size=8)])
def test_out_of_memory_says_what_of_a_training_to_change(settings):
    def fail(settings):
        with memory_advice(settings):
            raise torch.OutOfMemoryError("CUDA out of memory")

    advice = "lower --batch_size .* --max_length, or --gradient_checkpointing"
    with pytest.raises(UserError, match=advice) as told:
        fail(settings)
    assert "--max_new_tokens" not in str(told.value)
    with pytest.raises(UserError, match=r"out of memory; give a lower --max_length \(CUDA") as told:
        fail(replace(settings, batch_size=1, gradient_checkpointing=True))


def test_a_training_that_runs_out_of_memory_ends_with_advice(monkeypatch, tmp_path, capsys):
    """Wherever it happens, loading included."""

    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("recursivemas.training.load.load_for_training", fail)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"question": "1?", "plan": "p", "refined_plan": "r", "answer": "1"}\n')
    words = ["--dataset_name", str(rows), "--save_dir", str(tmp_path / "links")]
    assert train_main("outer", words) == 2
    assert "--gradient_checkpointing" in capsys.readouterr().err

"""What a training is told on the command line."""

from __future__ import annotations

import pytest

from recursivemas.cli.training import _graph, main
from recursivemas.errors import UserError
from recursivemas.styles import PUBLISHED_STYLES
from recursivemas.training.load import load_for_training
from recursivemas.training.settings import InnerSettings, OuterSettings, SourceSettings


def test_the_published_name_of_a_model_is_the_trained_agents():
    words = "--mas_design sequential --mas_role refiner --model_name_or_path M --dataset_name D --save_dir S"
    source = SourceSettings(**main("inner", words.split()))
    assert [agent.repo for agent in _graph(source).agents if agent.role == "critic"] == ["M"]


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
    source = SourceSettings(dataset_name="D", save_dir="S", role=role, ckpt_override=given, release="toy")
    with pytest.raises(UserError, match="gives links that init 'random' does not start from"):
        load_for_training(PUBLISHED_STYLES["sequential_light"], source, settings)


def test_a_model_of_an_agent_that_is_not_trained_is_refused():
    source = SourceSettings(dataset_name="D", save_dir="S", role="critic", models=("solver=M",))
    with pytest.raises(UserError, match="models names solver, but only the critic is loaded"):
        _graph(source)


def test_rows_are_held_out_to_be_looked_at():
    with pytest.raises(UserError, match="give --eval_steps N, too"):
        OuterSettings(eval_samples=4)
    with pytest.raises(UserError, match="give --eval_samples N, too"):
        OuterSettings(eval_steps=4)

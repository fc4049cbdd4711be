"""Settings: what wins over what, the published table, and what is refused."""

from __future__ import annotations

import pytest

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.errors import UserError
from recursivemas.settings import RunSettings, recommended, resolve_settings
from recursivemas.styles import PUBLISHED_STYLES


def test_default_gives_way_to_recommended_and_both_to_explicit():
    settings, origins = resolve_settings({"style": "mixture", "dataset": "medqa", "latent_length": 7})
    assert (settings.latent_length, origins["latent_length"]) == (7, "explicit")
    assert (settings.num_recursive_rounds, origins["num_recursive_rounds"]) == (2, "recommended")
    assert (settings.batch_size, origins["batch_size"]) == (16, "recommended")
    assert (settings.seed, origins["seed"]) == (42, "default")


def test_without_a_row_the_defaults_hold():
    settings, origins = resolve_settings({"style": "mine.yaml", "dataset": "math500"})
    assert (settings.latent_length, settings.num_recursive_rounds, settings.batch_size) == (32, 3, 8)
    assert origins["latent_length"] == "default"
    assert (settings.max_new_tokens, origins["max_new_tokens"]) == (2000, "recommended")
    assert "latent_length" not in recommended("sequential_light", "livecodebench")


@pytest.mark.parametrize(
    ("style", "dataset", "expected"),
    [
        ("sequential_light", "math500", {"max_new_tokens": 1000, "latent_length": 32, "batch_size": 16}),
        ("mixture", "math500", {"max_new_tokens": 2000, "latent_length": 64, "num_recursive_rounds": 3}),
        ("sequential_light", "aime25", {"max_new_tokens": 8192, "batch_size": 15, "num_rollouts": 10}),
        ("distillation", "aime26", {"max_new_tokens": 16000}),
        ("sequential_light", "mbppplus", {"max_new_tokens": 4000, "temperature": 0.2}),
        ("sequential_light", "livecodebench", {"max_new_tokens": 4096, "temperature": 0.2}),
        ("sequential_scaled", "livecodebench", {"temperature": 0.2, "batch_size": 12}),
        ("distillation", "livecodebench", {"temperature": 0.6}),
        ("deliberation", "hotpotqa", {"latent_length": 32, "num_recursive_rounds": 2, "batch_size": 8}),
    ],
)
def test_the_published_values(style, dataset, expected):
    values = recommended(style, dataset)
    assert {name: values[name] for name in expected} == expected


def test_the_table_names_published_styles_and_datasets_only():
    for style in PUBLISHED_STYLES:
        for dataset in BENCHMARKS:
            RunSettings(style=style, **recommended(style, dataset))


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("num_recursive_rounds", 0, "1 or more"),
        ("latent_length", -1, "0 or more"),
        ("batch_size", 0, "1 or more"),
        ("max_new_tokens", 0, "1 or more"),
        ("num_samples", 0, "1 or more, or -1 for all"),
        ("num_samples", -2, "-1 or more"),
        ("temperature", 0.0, "above 0"),
        ("top_p", 1.5, "above 0 and at most 1"),
    ],
)
def test_a_value_out_of_range_is_refused(field, value, accepted):
    with pytest.raises(ValueError, match=f"{field} is {value}; it has to be {accepted}"):
        RunSettings(**{field: value})


def test_overrides_are_read():
    settings = RunSettings(ckpt_override=("planner=/a=b", "outer=links"))
    assert settings.overrides() == {"planner": "/a=b", "outer": "links"}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (("planner",), "is not of the form"),
        (("=x",), "is not of the form"),
        (("a=1", "a=2"), "names 'a' twice"),
    ],
)
def test_faulty_overrides_are_refused(entries, message):
    with pytest.raises(ValueError, match=message):
        RunSettings(ckpt_override=entries).overrides()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", "2"),
        ("seed", "a"),
        ("top_k", 5.0),
        ("greedy", 1),
        ("style", None),
        ("latent_length", True),
    ],
)
def test_a_value_of_another_type_is_refused(field, value):
    with pytest.raises(UserError, match=f"{field} is {value!r}; it has to be of the type"):
        RunSettings(**{field: value})


def test_whole_numbers_stand_for_floats():
    settings = RunSettings(temperature=1)
    assert settings.temperature == 1.0
    assert isinstance(settings.temperature, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sample_seed": 1}, "give --num_samples N"),
        ({"mode": "speech"}, "mode is 'speech'"),
        ({"role": "solver"}, "mode single only"),
        ({"judge_base_url": "http://127.0.0.1"}, "give --judge_model"),
        ({"resume": True}, "give --output_dir"),
    ],
)
def test_settings_that_only_work_together_say_so(values, message):
    with pytest.raises(UserError, match=message):
        RunSettings(**values)

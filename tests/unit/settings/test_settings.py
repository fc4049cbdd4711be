"""Settings: what wins over what, the published table, and what is refused."""

from __future__ import annotations

import pytest

from recursivemas.benchmarks import BENCHMARKS
from recursivemas.errors import UserError
from recursivemas.options import iterate_options
from recursivemas.sampling import SamplingSettings
from recursivemas.settings import (
    OPTIONS,
    ModelSettings,
    QuestionSettings,
    RecordSettings,
    RunSettings,
    SolveSettings,
    ToolSettings,
    resolve_settings,
)
from recursivemas.settings.recommended import TABLES, recommended
from recursivemas.styles import PUBLISHED_STYLES


def test_default_gives_way_to_recommended_and_both_to_explicit():
    settings, origins = resolve_settings({"style": "mixture", "dataset": "medqa", "latent_length": 7})
    assert (settings.solve.latent_length, origins["latent_length"]) == (7, "explicit")
    assert (settings.solve.num_recursive_rounds, origins["num_recursive_rounds"]) == (2, "recommended")
    assert (settings.solve.batch_size, origins["batch_size"]) == (16, "recommended")
    assert (settings.solve.seed, origins["seed"]) == (42, "default")


def test_without_a_row_the_defaults_hold():
    settings, origins = resolve_settings({"style": "mine.yaml", "dataset": "math500"})
    assert (settings.solve.latent_length, settings.solve.num_recursive_rounds, settings.solve.batch_size) == (
        32,
        3,
        8,
    )
    assert origins["latent_length"] == "default"
    assert (settings.solve.max_new_tokens, origins["max_new_tokens"]) == (2000, "recommended")
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


@pytest.mark.parametrize(
    ("style", "dataset", "row"),
    [
        ("sequential_light", "math500", (48, 3, 32)),
        ("sequential_light", "medqa", (32, 3, 16)),
        ("sequential_light", "mbppplus", (16, 3, 16)),
        ("sequential_scaled", "math500", (32, 3, 16)),
        ("sequential_scaled", "gpqa", (48, 3, 16)),
    ],
)
def test_april_has_other_rows(style, dataset, row):
    settings, origins = resolve_settings({"style": style, "dataset": dataset, "recommended": "april"})
    assert (
        settings.solve.latent_length,
        settings.solve.num_recursive_rounds,
        settings.solve.batch_size,
    ) == row
    assert (origins["latent_length"], origins["recommended"]) == ("recommended", "explicit")
    assert settings.solve.max_new_tokens == recommended(style, dataset)["max_new_tokens"]


def test_a_row_that_april_lacks_is_not_taken_from_elsewhere():
    with pytest.raises(
        UserError, match="april has no row for mixture on math500; it has sequential_light on"
    ):
        resolve_settings({"style": "mixture", "recommended": "april"})


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_name_published_styles_and_datasets_only(table):
    for style, dataset in TABLES[table]:
        assert style in PUBLISHED_STYLES
        RunSettings.of(style=style, **recommended(style, dataset, table))
        assert dataset in BENCHMARKS


@pytest.mark.parametrize("style", PUBLISHED_STYLES)
def test_mbppplus_is_sampled_coolly_with_quirks_whatever_the_flag_says(style):
    given = {"style": style, "dataset": "mbppplus", "temperature": 0.9}
    settings, origins = resolve_settings(given)
    assert (settings.solve.sampling.temperature, origins["temperature"]) == (0.9, "explicit")
    settings, origins = resolve_settings({**given, "release_quirks": True})
    assert (settings.solve.sampling.temperature, origins["temperature"]) == (0.2, "quirk")
    settings, _ = resolve_settings({**given, "release_quirks": True, "dataset": "livecodebench"})
    assert settings.solve.sampling.temperature == 0.9


@pytest.mark.parametrize(("given", "base"), [({}, 5), ({"sample_seed": -1}, 5), ({"sample_seed": 0}, 0)])
def test_the_answers_seed_is_seed_unless_another_is_given(given, base):
    assert RunSettings.of(seed=5, **given).solve.answer_seed == base


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"seed": 2**63}, "seed"),
        ({"seed": -(2**63)}, "seed"),
        ({"seed": 2**63 - 2, "num_rollouts": 3}, "seed"),
        ({"sample_seed": 2**63 - 2, "num_rollouts": 3}, "sample_seed"),
    ],
)
def test_a_seed_with_which_no_sample_could_be_read_back_is_refused(values, name):
    with pytest.raises(UserError, match=rf"^{name} is {values[name]}; seeds, .* 2\*\*63 - 1"):
        RunSettings.of(**values)
    values[name] //= 2
    RunSettings.of(**values)


@pytest.mark.parametrize("name", ["push_to_hub", "judge_model", "output_dir", "revision", "sample_ids"])
def test_what_a_variable_that_is_not_set_gives_is_not_taken_for_nothing(name):
    with pytest.raises(UserError, match=f"^{name} is empty; give a value, or leave it out"):
        RunSettings.of(**{name: ""})


def test_repetition_is_not_penalised_unless_asked():
    assert RunSettings.of().solve.sampling.repetition_penalty == 1.0
    assert RunSettings.of(repetition_penalty=1.2).solve.sampling.repetition_penalty == 1.2


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("num_recursive_rounds", 0, "1 or more"),
        ("latent_length", -2, "-1 or more"),
        ("batch_size", 0, "1 or more"),
        ("max_new_tokens", 0, "1 or more"),
        ("num_samples", 0, "1 or more, or -1 for all"),
        ("num_samples", -2, "-1 or more"),
        ("sample_seed", -2, "-1 or more"),
        ("temperature", 0.0, "above 0"),
        ("top_p", 1.5, "above 0 and at most 1"),
    ],
)
def test_a_value_out_of_range_is_refused(field, value, accepted):
    with pytest.raises(ValueError, match=f"{field} is {value}; it has to be {accepted}"):
        RunSettings.of(**{field: value})


def test_groups_hold_every_option_once():
    names = [option.name for option in iterate_options(RunSettings)]
    assert len(names) == len(set(names)) == len(OPTIONS)
    settings = RunSettings.of(style="mixture", temperature=0.5, num_samples=3, resume=True, output_dir="x")
    assert settings == RunSettings(
        model=ModelSettings(style="mixture"),
        questions=QuestionSettings(num_samples=3),
        solve=SolveSettings(sampling=SamplingSettings(temperature=0.5)),
        record=RecordSettings(resume=True, output_dir="x"),
    )
    assert RunSettings.of(**settings.values()) == settings
    assert settings.but(temperature=1).values() == {**settings.values(), "temperature": 1.0}


def test_an_unknown_setting_is_refused():
    with pytest.raises(UserError, match=r"no setting 'temprature' \(did you mean 'temperature'\?\)"):
        RunSettings.of(temprature=1)


def test_a_group_refuses_what_does_not_go_together_in_it_without_the_others():
    with pytest.raises(UserError, match="give --search_cache"):
        ToolSettings(search_offline=True)
    with pytest.raises(UserError, match="seed is 'a'; it has to be of the type int"):
        SolveSettings(seed="a")


def test_an_agent_by_itself_runs_once_and_passes_on_no_text():
    alone = SolveSettings(mode="single", num_recursive_rounds=3)
    assert (alone.num_rounds, alone.passes) == (1, "latent")
    assert SolveSettings(mode="text").passes == "text"


def test_overrides_are_read():
    settings = RunSettings.of(ckpt_override=("planner=/a=b", "outer=links"))
    assert settings.model.overrides() == {"planner": "/a=b", "outer": "links"}


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
        ModelSettings(ckpt_override=entries).overrides()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_rollouts", "2"),
        ("seed", "a"),
        ("top_k", 5.0),
        ("greedy", 1),
        ("style", None),
        ("latent_length", True),
    ],
)
def test_a_value_of_another_type_is_refused(field, value):
    with pytest.raises(UserError, match=f"{field} is {value!r}; it has to be of the type"):
        RunSettings.of(**{field: value})


def test_a_batch_size_is_a_number_or_auto():
    assert RunSettings.of(batch_size="auto").solve.batch_size == "auto"
    with pytest.raises(UserError, match="batch_size is '2'; it has to be a whole number or auto"):
        RunSettings.of(batch_size="2")


def test_whole_numbers_stand_for_floats():
    settings = RunSettings.of(temperature=1)
    assert settings.solve.sampling.temperature == 1.0
    assert isinstance(settings.solve.sampling.temperature, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"question_seed": 1}, "give --num_samples N"),
        ({"mode": "speech"}, "mode is 'speech'"),
        ({"role": "solver"}, "mode single only"),
        ({"latent_length": -1, "mode": "text"}, "mode text passes on no latents"),
        ({"recommended": "may"}, "recommended is 'may'; it has to be one of june, april"),
        ({"judge_base_url": "http://127.0.0.1"}, "give --judge_model"),
        ({"resume": True}, "give --output_dir"),
    ],
)
def test_settings_that_only_work_together_say_so(values, message):
    with pytest.raises(UserError, match=message):
        RunSettings.of(**values)

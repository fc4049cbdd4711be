"""The report's tables: what stands in which cell, nothing picked, the published figures in their place."""

from __future__ import annotations

import json

import pytest

from recursivemas.errors import UserError
from recursivemas.report.grouping import families, question_sets
from recursivemas.report.layout import (
    choose_grader,
    table_by_rounds,
    table_by_style,
    table_of_runs,
    table_of_savings,
)
from recursivemas.runs.read import read_runs
from tests.support.run_folders import write_run


def shares(percent: int) -> list[bool]:
    return [n < percent // 10 for n in range(10)]


def cells(table, *label: str) -> list[str]:
    """The rest of the one row that starts so."""
    [row] = [row for row in table.rows if tuple(row[: len(label)]) == label]
    return list(row[len(label) :])


@pytest.fixture
def runs(tmp_path):
    return read_runs(
        [
            write_run(tmp_path / "l1", shares(50), num_recursive_rounds=1, latent_length=32, tokens=40),
            write_run(tmp_path / "l2", shares(60), num_recursive_rounds=2, latent_length=32, tokens=40),
            write_run(tmp_path / "l2-long", shares(20), num_recursive_rounds=2, latent_length=48),
            write_run(tmp_path / "t1", shares(30), num_recursive_rounds=1, mode="text", tokens=100),
            write_run(tmp_path / "t2", shares(40), num_recursive_rounds=2, mode="text", platform="Other"),
            write_run(tmp_path / "alone", shares(10), mode="single", role="solver"),
            write_run(tmp_path / "med", shares(70), dataset="medqa", num_recursive_rounds=2),
            write_run(tmp_path / "mix", shares(80), dataset="medqa", style="mixture"),
        ]
    )


def test_rounds_by_benchmarks_with_text_in_brackets(runs):
    table = table_by_rounds(runs)
    assert table.header == ["style", "rounds", "source", "math500 (10)", "medqa (10)"]
    light = "sequential_light"
    assert cells(table, light, "1", "ours, latent length 32") == ["50.0 (30.0)", "–"]
    assert cells(table, light, "1", "published") == ["75.8 (71.9)", "30.3 (29.0)"]
    assert cells(table, light, "2", "ours, latent length 32") == ["60.0 (40.0)", "70.0"]
    assert cells(table, light, "2", "ours, latent length 48") == ["20.0 (40.0)", "–"]
    assert cells(table, "mixture", "2", "ours, latent length 48") == ["–", "80.0"]
    assert not [row for row in table.rows if row[0] == "mixture" and row[2] == "published"]


def test_styles_by_benchmarks(runs):
    table = table_by_style(runs)
    assert cells(table, "sequential_light", "single: solver", "1", "–") == ["10.0 [1.8, 40.4]", "–"]
    assert cells(table, "sequential_light", "published") == ["–", "–", "78.0", "32.0"]
    assert cells(table, "mixture", "published") == ["–", "–", "–", "61.3"]


def test_no_run_is_picked(tmp_path, runs):
    again = write_run(
        tmp_path / "again", shares(90), num_recursive_rounds=1, latent_length=32, tokens=40, seed=7
    )
    several = [*runs, *read_runs([again])]
    table = table_by_rounds(several)
    assert cells(table, "sequential_light", "1", "ours, latent length 32")[0] == "50.0 / 90.0 (30.0)"
    assert len(table_of_runs(several).rows) == len(several)


def test_savings_are_against_text_with_as_many_rounds(runs):
    table = table_of_savings(runs)
    light = ("sequential_light", "math500 (10)")
    assert cells(table, *light, "1", "32") == ["100.0", "40.0", "60.0%", "1.00x"]
    assert cells(table, *light, "2", "32")[-1] == "–"  # another machine
    assert cells(table, "published", "–", "2") == ["–", "–", "–", "65.5%", "1.9x"]


def test_runs_stand_in_the_order_of_what_ran(runs):
    table = table_of_runs(list(reversed(runs)))
    assert [row[0] for row in table.rows] == ["mix", "l1", "l2", "l2-long", "alone", "t1", "t2", "med"]
    assert "release toy-random" in table.rows[0][-1]


@pytest.mark.parametrize(("metric", "figure"), [("pass@10", "33.3"), ("pass@2", "–")])
def test_aime_is_published_as_pass_at_10(tmp_path, metric, figure):
    run = write_run(tmp_path / "a", {"release": [[True, False]]}, metric=metric, dataset="aime25")
    table = table_by_style([*read_runs([run]), *read_runs([write_run(tmp_path / "b", [True])])])
    assert table.header[-1] == f"aime25 {metric} (1)"
    assert cells(table, "sequential_light", "published")[-1] == figure


def test_other_questions_get_a_column_of_their_own(tmp_path):
    runs = read_runs(
        [
            write_run(tmp_path / "all", shares(50)),
            write_run(tmp_path / "few", [True], num_samples=1),
            write_run(tmp_path / "others", shares(50), first_question=3),
        ]
    )
    assert sorted(question_sets(runs).values()) == ["math500 (1)", "math500 (10)", "math500 (10) #2"]


def test_the_release_grader_counts_unless_another_is_wanted(tmp_path):
    both = {"strict": [[True], [True]], "release": [[True], [False]]}
    [run, other] = read_runs([write_run(tmp_path / "a", both), write_run(tmp_path / "b", {"code": [[True]]})])
    assert [choose_grader(run), choose_grader(other), choose_grader(run, "strict")] == [
        "release",
        "code",
        "strict",
    ]
    assert table_of_runs([run], "strict").rows[0][-6:-4] == ["100.0 [34.2, 100.0]", "strict"]
    with pytest.raises(UserError, match="b was not graded by 'strict'; its graders are code"):
        choose_grader(other, "strict")


def test_a_family_differs_in_the_graph_alone(runs, tmp_path):
    cold = read_runs([write_run(tmp_path / "cold", shares(10), temperature=0.1)])
    found = families([*runs, *cold])
    assert [family.name for family in found] == [
        "mixture-medqa",
        "sequential_light-math500-1",
        "sequential_light-math500-2",
        "sequential_light-medqa",
    ]
    math = {family.apart: [run.label for run in family.runs] for family in found[1:3]}
    assert math == {
        "temperature 0.1": ["cold"],
        "temperature 0.6": ["l1", "l2", "l2-long", "t1", "t2", "alone"],
    }


def test_tools_tell_families_apart_where_the_same_tool_is_not_set_alike(tmp_path):
    def searching(name, provider, **settings):
        path = write_run(tmp_path / name, shares(50), **settings)
        config = json.loads((path / "config.json").read_text())
        config["tools"] = provider and {"max_calls": 5, "search": {"provider": provider}}
        (path / "config.json").write_text(json.dumps(config))
        return path

    alike = [searching("latent", "tavily"), searching("alone", None, mode="single", role="critic")]
    assert len(families(read_runs(alike))) == 1
    apart = families(read_runs([*alike, searching("stub", "stub", mode="text")]))
    assert {"tools.search.provider tavily", "tools.search.provider stub"} < {found.apart for found in apart}

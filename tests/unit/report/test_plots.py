"""Plots: what is drawn, where it stands, and which axes start at zero."""

from __future__ import annotations

import pytest

from recursivemas.report.canvas import Plot, canvas, set_percent_axis
from recursivemas.report.cost_plots import costs_by_rounds
from recursivemas.report.grouping import families
from recursivemas.report.plots import accuracy_by_latent_length, accuracy_by_rounds
from recursivemas.runs.read import read_runs
from tests.support.run_folders import write_run

VERDICTS = [True, True, False, True]


def family_of(folder, *settings):
    paths = [write_run(folder / str(n), VERDICTS, **each) for n, each in enumerate(settings)]
    [family] = families(read_runs(paths))
    return family


def rounds(*numbers, **settings):
    return [{"num_recursive_rounds": number, "latent_length": 16, **settings} for number in numbers]


def drawn(outcome) -> Plot:
    assert isinstance(outcome, Plot), outcome
    return outcome


def legend_of(plot: Plot) -> list[str]:
    [body] = plot.figure.subfigs
    return [text.get_text() for text in body.legends[0].get_texts()]


def test_a_line_a_length_text_and_agents_alone(tmp_path):
    family = family_of(
        tmp_path, *rounds(1, 2), *rounds(1, 2, mode="text"), {"mode": "single"}, *rounds(3, latent_length=48)
    )
    plot = drawn(accuracy_by_rounds(family))
    assert legend_of(plot) == ["latent, length 16", "text", "solver alone"]
    [panel] = plot.figure.axes
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["one agent", "1", "2"]
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("rounds", "Accuracy (%)")
    assert plot.caption.endswith("Not drawn, having nothing to be joined to: 5.")


@pytest.mark.parametrize(
    ("settings", "shown"),
    [({"release": "hub"}, True), ({"release": "toy-random"}, False), ({"num_samples": 4}, False)],
)
def test_published_figures_stand_beside_runs_like_them(tmp_path, settings, shown):
    family = family_of(tmp_path, *rounds(1, 2, **{"release": "hub", **settings}))
    assert ("published, latent" in legend_of(drawn(accuracy_by_rounds(family)))) is shown


def test_length_has_text_beside_it(tmp_path):
    lengths = [each for length in (0, 8, 32) for each in rounds(2, latent_length=length)]
    family = family_of(tmp_path, *lengths, *rounds(1, 2, mode="text"))
    plot = drawn(accuracy_by_latent_length(family))
    assert legend_of(plot) == ["latent, 2 rounds", "text, 2 rounds"]
    [panel] = plot.figure.axes
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["text", "0", "8", "32"]


def test_bars_start_at_zero_and_say_what_is_saved(tmp_path):
    family = family_of(
        tmp_path,
        *rounds(1, 2, tokens=30, seconds=1.0),
        *rounds(1, 2, mode="text", tokens=120, seconds=3.0),
        *rounds(3, mode="text"),
    )
    plot = drawn(costs_by_rounds(family))
    assert legend_of(plot) == ["text", "latent, length 16", "latent steps"]
    tokens, seconds = plot.figure.axes
    assert (tokens.get_ylim()[0], seconds.get_ylim()[0]) == (0, 0)
    assert [text.get_text() for text in tokens.texts] == ["−75%", "−75%"]
    assert [text.get_text() for text in seconds.texts] == ["3.0×", "3.0×"]
    drawn_bars = [bar for bar in tokens.patches if bar.get_height()]
    heights = {round(bar.get_x() + bar.get_width() / 2, 3): bar.get_height() for bar in drawn_bars}
    assert [heights[round(text.xy[0], 3)] for text in tokens.texts] == [30, 30], "on the bars of tokens"
    assert [tick.get_text() for tick in tokens.get_xticklabels()] == ["1", "2"]


def test_seconds_of_different_machines_are_not_drawn(tmp_path):
    family = family_of(tmp_path, *rounds(1), *rounds(1, mode="text", batch_size=2))
    plot = drawn(costs_by_rounds(family))
    assert len(plot.figure.axes) == 1
    assert "Seconds are left out" in plot.caption


@pytest.mark.parametrize(
    ("limits", "low", "high"),
    [([0, 10.7], 0, 20), ([25, 60], 0, 62.1), ([70, 85], 67, 87), ([96, 99.5], 81, 101), ([45, 99], 0, 101)],
)
def test_the_percent_axis_holds_everything(limits, low, high):
    with canvas("title", "subtitle") as (_, [panel]):
        panel.plot([0, 1], limits, label="line")
        set_percent_axis(panel, limits, "percent")
        assert panel.get_ylim() == pytest.approx((low, high), abs=0.5)
        assert panel.get_ylim()[0] <= min(limits)
        assert max(limits) <= panel.get_ylim()[1]

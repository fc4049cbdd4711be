"""Plots of accuracy: by rounds, and by latent length.

Each is drawn for a family of runs, alike in all that decides the answers but what the plot shows. A function
here returns its plot, or says why there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recursivemas.report.canvas import (
    COLOURS,
    GREY,
    MARKERS,
    TEXT_COLOUR,
    Plot,
    canvas,
    dodge,
    latent_colour,
    set_percent_axis,
)
from recursivemas.report.grouping import Family
from recursivemas.report.layout import choose_grader
from recursivemas.report.lines import Series, draw_lines, draw_runs, percents
from recursivemas.report.published import ByMode, by_rounds, counts_as_published
from recursivemas.runs.read import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def accuracy_by_rounds(family: Family, grader: str | None = None) -> Plot | str:
    """A line a latent length and one for text mode; agents alone beside them."""
    series = [
        Series(
            label=f"latent, length {length}",
            colour=latent_colour(family, length),
            marker=MARKERS[i % len(MARKERS)],
            dash="-",
            points=[(run.rounds, run) for run in family.of_mode("latent") if run.latent_length == length],
        )
        for i, length in enumerate(family.latent_lengths)
    ]
    texts = [(run.rounds, run) for run in family.of_mode("text")]
    series.append(Series(label="text", colour=TEXT_COLOUR, marker="s", dash="--", points=texts))
    series = [each for each in series if each.is_sweep]
    if not series:
        return "needs runs with two numbers of rounds or more that are alike in all else"
    places = _places(series)
    published = _published(family, places, grader)
    title, subtitle = f"{family.metric} by rounds", _subtitle(family, grader)
    with canvas(title, subtitle) as (figure, [panel]):
        width = len(series) + bool(published)
        limits = draw_lines(panel, series, width, 0.07, grader) + _draw_published(panel, published, width)
        panel.set_xticks(places, [str(place) for place in places])
        if singles := family.of_mode("single"):
            limits += _draw_alone(panel, singles, places, grader)
        panel.set_xlabel("rounds")
        set_percent_axis(panel, limits, f"{family.metric} (%)")
    return Plot(
        name=f"accuracy_by_rounds-{family.name}",
        caption=f"{title}: {subtitle}.{_not_drawn(family, series)}",
        figure=figure,
    )


def accuracy_by_latent_length(family: Family, grader: str | None = None) -> Plot | str:
    """A line a number of rounds; text mode with as many rounds beside it."""
    latents = family.of_mode("latent")
    series = [
        Series(
            label=f"latent, {_rounds(rounds)}",
            colour=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            dash="-",
            points=[(run.latent_length or 0, run) for run in latents if run.rounds == rounds],
        )
        for i, rounds in enumerate(sorted({run.rounds for run in latents}))
    ]
    series = [each for each in series if each.is_sweep]
    if not series:
        return "needs latent runs with two latent lengths or more that are alike in all else"
    places = _places(series)
    title, subtitle = f"{family.metric} by latent length", _subtitle(family, grader)
    with canvas(title, subtitle) as (figure, [panel]):
        span = places[-1] - places[0]
        limits = draw_lines(panel, series, len(series), 0.012 * span, grader)
        panel.set_xticks(places, list(map(str, places)))
        colours = {run.rounds: each.colour for each in series for _, run in each.points}
        if texts := [run for run in family.of_mode("text") if run.rounds in colours]:
            limits += _draw_texts(panel, texts, colours, places, grader)
        panel.set_xlabel("latent length (steps per thought)")
        set_percent_axis(panel, limits, f"{family.metric} (%)")
    return Plot(
        name=f"accuracy_by_latent_length-{family.name}",
        caption=f"{title}: {subtitle}.{_not_drawn(family, series)}",
        figure=figure,
    )


# ---------------------------------------------------------------------------------------------------------
# Parts of a plot; each returns the percents that the axis has to hold.


def _draw_alone(panel: Axes, runs: Sequence[Run], places: Sequence[int], grader: str | None) -> list[float]:
    """Agents by themselves, in a place of their own before the first round."""
    alone = places[0] - 1
    limits = []
    for i, run in enumerate(runs):
        label = f"{run.mode.removeprefix('single: ')} alone"
        marker = MARKERS[i % len(MARKERS)]
        series = Series(label=label, colour=GREY, marker=marker, dash="none", points=[(alone, run)])
        limits += draw_runs(panel, series, [alone + dodge(i, len(runs), 0.07)], grader)
    panel.set_xticks([alone, *places], ["one agent", *map(str, places)])
    return limits


def _draw_texts(
    panel: Axes, runs: Sequence[Run], colours: dict[int, str], places: Sequence[int], grader: str | None
) -> list[float]:
    """Text runs, which have no latent length: in a place of their own, and as levels to be held against."""
    span = places[-1] - places[0]
    place = places[0] - 0.16 * span
    limits = []
    for i, run in enumerate(runs):
        colour, label = colours[run.rounds], f"text, {_rounds(run.rounds)}"
        series = Series(label=label, colour=colour, marker="s", dash="--", points=[(0, run)])
        x = place + dodge(i, len(runs), 0.02 * span)
        limits += draw_runs(panel, series, [x], grader, markerfacecolor="white", markeredgewidth=2)
        panel.axhline(percents(run, grader)[0], color=colour, linestyle="--", linewidth=1.5, clip_on=False)
    panel.set_xticks([place, *places], ["text", *map(str, places)])
    return limits


def _published(family: Family, places: Sequence[int], grader: str | None) -> dict[int, ByMode]:
    """The paper's figures by rounds, where the family's runs may stand beside them."""
    questions = family.questions
    graders = {choose_grader(run, grader) for run in family.runs}
    comparable = family.is_comparable and counts_as_published(questions.benchmark, questions.metric)
    if not comparable or graders != {"release"}:
        return {}
    found = {x: by_rounds(family.style, questions.benchmark, x) for x in places}
    return {x: both for x, both in found.items() if both is not None}


def _draw_published(panel: Axes, figures: dict[int, ByMode], width: int) -> list[float]:
    """In the last lane, without intervals: none were published."""
    if not figures:
        return []
    places = [x + dodge(width - 1, width, 0.07) for x in figures]
    latents, texts = ([getattr(both, mode) for both in figures.values()] for mode in ("latent", "text"))
    for values, marker, mode in ((latents, "o", "latent"), (texts, "s", "text")):
        panel.scatter(
            places,
            values,
            s=80,
            marker=marker,
            facecolors="white",
            edgecolors=GREY,
            linewidths=2,
            label=f"published, {mode}",
            zorder=3,
        )
    return [*latents, *texts]


# ---------------------------------------------------------------------------------------------------------
# Words and numbers


def _places(series: Sequence[Series]) -> list[int]:
    return sorted({x for each in series for x, _ in each.points})


def _rounds(number: int) -> str:
    return "1 round" if number == 1 else f"{number} rounds"


def _subtitle(family: Family, grader: str | None) -> str:
    graders = sorted({choose_grader(run, grader) for run in family.runs})
    return f"{family.description}; {' and '.join(graders)} grader, 95% intervals"


def _not_drawn(family: Family, series: Sequence[Series]) -> str:
    """Which latent runs are missing from the plot, as a sentence."""
    drawn = {run.label for each in series for _, run in each.points}
    missing = [run.label for run in family.of_mode("latent") if run.label not in drawn]
    return f" Not drawn, having nothing to be joined to: {', '.join(missing)}." if missing else ""

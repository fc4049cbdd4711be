"""Lines of accuracy: runs that a line joins, drawn with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recursivemas.report.canvas import dodge
from recursivemas.report.layout import choose_grader
from recursivemas.runs.read import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class Series:
    """Runs that a line joins, each at its place on the axis."""

    label: str
    colour: str
    marker: str
    dash: str
    points: list[tuple[int, Run]]

    @property
    def is_sweep(self) -> bool:
        """Whether it goes over two places or more."""
        return len({x for x, _ in self.points}) > 1


def draw_lines(
    panel: Axes, series: Sequence[Series], width: int, step: float, grader: str | None
) -> list[float]:
    """Each series in its own lane of `width` lanes, `step` apart, so that none hides another."""
    limits = []
    for i, each in enumerate(series):
        places = [x + dodge(i, width, step) for x, _ in each.points]
        limits += draw_runs(panel, each, places, grader)
    return limits


def draw_runs(
    panel: Axes, series: Series, places: Sequence[float], grader: str | None, **look: Any
) -> list[float]:
    rows = [percents(run, grader) for _, run in series.points]
    panel.errorbar(
        places,
        [value for value, _, _ in rows],
        yerr=[[value - low for value, low, _ in rows], [high - value for value, _, high in rows]],
        label=series.label,
        color=series.colour,
        marker=series.marker,
        linestyle=series.dash,
        linewidth=2.5,
        markersize=9,
        elinewidth=1.5,
        capsize=5,
        clip_on=False,
        **look,
    )
    return [limit for row in rows for limit in row]


def percents(run: Run, grader: str | None) -> tuple[float, float, float]:
    """Value, and low and high end of its interval, in percent."""
    score = run.score(choose_grader(run, grader))
    low, high = score["interval_95"]
    return 100 * score["value"], 100 * low, 100 * high

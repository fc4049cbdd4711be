"""The plot of an ablation: accuracy by rounds or by latent length, a line a set of links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from recursivemas.report.canvas import (
    COLOURS,
    GREY,
    MARKERS,
    TEXT_COLOUR,
    Plot,
    canvas,
    set_percent_axis,
)
from recursivemas.report.lines import Series, draw_lines, percents
from recursivemas.runs.ablation import LOADED, Cell
from recursivemas.runs.read import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "accuracy"
MAX_PANELS = 4
DASHES = ("-", ":", "-.")
LANE = 0.07
"""How far lines stand beside each other, as a share of the distance between two places."""
WIDTH = 0.8
"""The share that all lines together may take."""
ROUNDS, LENGTH = "num_recursive_rounds", "latent_length"
TITLES = {ROUNDS: "rounds", LENGTH: "latent length (steps per thought)"}

Cells = Mapping[str, Cell]
Line = tuple[str, str]
"""What a line joins: the cells of a variant and its links, or one of these two."""
TEXT, NO_LATENTS = ("text", ""), ("no latents", "")


def plot_accuracy(cells: Cells, runs: Mapping[str, Run], grader: str) -> Plot:
    """Accuracy of the cells, by names that both mappings have, the full system's first.

    By rounds, a panel a latent length, where there are several numbers of rounds; else by latent length; else
    a place a cell. Text mode, an agent alone and latents of length 0 stand beside them, as what they are held
    against.
    """
    first = next(iter(runs.values()))
    metric = "Accuracy" if first.metric == "accuracy" else first.metric
    axis, panels = _axes(list(cells.values()))
    looks = _looks(list(cells.values()))
    title = f"{metric} {'by cell' if axis is None else 'by ' + TITLES[axis].partition(' (')[0]}"
    where = ", ".join([f"{first.style} on {first.benchmark}", f"{len(first.ids)} questions"])
    departures = "".join(f", {one}" for one in first.departures() if not one.startswith("--"))
    subtitle = f"{where}{departures}; {grader} grader, 95% intervals"
    with canvas(title, subtitle, len(panels)) as (figure, drawn):
        limits: list[float] = []
        for panel, value in zip(drawn, panels, strict=True):
            if axis is None:
                limits += _draw_places(panel, runs, grader)
            else:
                limits += _draw_panel(panel, _in_panel(cells, axis, value), runs, axis, looks, grader)
                panel.set_xlabel(TITLES[axis])
            if len(panels) > 1:
                panel.set_title(f"latent length {value}" if axis == ROUNDS else _rounds(value))
        for panel in drawn:
            set_percent_axis(panel, limits, f"{metric} (%)" if panel is drawn[0] else "")
    caption = f"{title}: {subtitle}. The full system is {next(iter(runs))}."
    return Plot(name=NAME, caption=caption, figure=figure)


def _axes(cells: Sequence[Cell]) -> tuple[str | None, list[int | None]]:
    """What runs along the axis, None for the cells themselves, and each panel's value of the other."""
    rounds = sorted({one for cell in cells if (one := cell.num_recursive_rounds) is not None})
    lengths = sorted({one for cell in cells if (one := cell.latent_length) is not None})
    long = [length for length in lengths if length]
    if len(rounds) > 1 and len(long) <= MAX_PANELS:
        return ROUNDS, [*long] or [None]
    if len(lengths) > 1 and len(rounds) <= MAX_PANELS:
        return LENGTH, [*rounds]
    return None, [None]


def _in_panel(cells: Cells, axis: str, value: int | None) -> dict[str, Cell]:
    """The cells of a panel: those of its value, and those that stand beside every one."""
    if axis == LENGTH:
        return {name: cell for name, cell in cells.items() if cell.num_recursive_rounds in (value, None)}
    return {name: cell for name, cell in cells.items() if cell.latent_length in (value, 0, None)}


def _draw_panel(
    panel: Axes,
    cells: Cells,
    runs: Mapping[str, Run],
    axis: str,
    looks: Mapping[Line, tuple[str, ...]],
    grader: str,
) -> list[float]:
    """Lines, then levels of what has no place on the axis; returns the percents that the axis has to hold."""
    lines: dict[Line, list[tuple[int, Run]]] = {}
    levels: dict[str, Run] = {}
    shared: list[tuple[int, Run]] = []
    for name, cell in cells.items():
        place = getattr(cell, axis)
        if place is None:
            levels["text" if cell.mode == "text" else _alone(runs[name])] = runs[name]
        elif cell.latent_length == 0 and axis == LENGTH:
            shared.append((place, runs[name]))  # every line starts there
        else:
            lines.setdefault(_line_of(cell), []).append((place, runs[name]))
    lines = lines or {NO_LATENTS: []}
    series = []
    for line in [one for one in looks if one in lines]:
        label, colour, marker, dash = looks[line]
        points = sorted([*shared, *lines[line]], key=lambda point: point[0])
        series.append(Series(label=label, colour=colour, marker=marker, dash=dash, points=points))
    places = sorted({place for each in series for place, _ in each.points})
    gap = min((b - a for a, b in pairwise(places)), default=1)
    step = gap * min(LANE, WIDTH / max(len(series), 1))
    limits = draw_lines(panel, series, len(series), step, grader)
    panel.set_xticks(places, list(map(str, places)))
    for label, run in levels.items():
        limits += _draw_level(panel, run, label, TEXT_COLOUR if label == "text" else GREY, grader)
    return limits


def _line_of(cell: Cell) -> Line:
    if cell.mode == "text":
        return TEXT
    return NO_LATENTS if cell.latent_length == 0 else (str(cell.variant), str(cell.links))


def _looks(cells: Sequence[Cell]) -> dict[Line, tuple[str, ...]]:
    """Each line's label, colour, marker and dashes, the same in all panels; in the order that they are drawn.

    Of variant and links a label tells what differs among the lines.
    """
    found = dict.fromkeys(_line_of(cell) for cell in cells if cell.mode != "single")
    trained = [line for line in found if line not in (TEXT, NO_LATENTS)]
    several = [len({line[i] for line in trained}) > 1 for i in (0, 1)]
    looks: dict[Line, tuple[str, ...]] = {}
    for number, (variant, links) in enumerate(trained):
        shown = [variant] if several[0] or variant != LOADED else []
        shown += [links] if several[1] or not shown else []
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        dash = DASHES[number // len(COLOURS) % len(DASHES)]
        looks[variant, links] = ", ".join(shown), colour, marker, dash
    return {**looks, NO_LATENTS: ("no latents", GREY, "d", "--"), TEXT: ("text", TEXT_COLOUR, "s", "--")}


def _draw_level(panel: Axes, run: Run, label: str, colour: str, grader: str) -> list[float]:
    value, _, _ = percents(run, grader)
    panel.axhline(value, color=colour, linestyle="--", linewidth=1.5, label=label, clip_on=False)
    return [value]


def _draw_places(panel: Axes, runs: Mapping[str, Run], grader: str) -> list[float]:
    """A place a cell, the full system's level drawn through all."""
    points = list(enumerate(runs.values()))
    series = Series(label="cells", colour=COLOURS[0], marker=MARKERS[0], dash="none", points=points)
    limits = draw_lines(panel, [series], 1, 0.0, grader)
    limits += _draw_level(panel, points[0][1], "the full system", GREY, grader)
    panel.set_xticks(range(len(runs)), list(runs), rotation=20, ha="right", fontsize=11)
    return limits


def _alone(run: Run) -> str:
    return f"{run.mode.removeprefix('single: ')} alone"


def _rounds(number: int | None) -> str:
    return "1 round" if number == 1 else f"{number} rounds"

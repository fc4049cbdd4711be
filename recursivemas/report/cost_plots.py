"""The plot of costs: what latent runs write and take, beside text runs with as many rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recursivemas.report.canvas import GREY, TEXT_COLOUR, Plot, canvas, dodge, latent_colour
from recursivemas.report.grouping import Family
from recursivemas.runs.read import Run, saved_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {
    "generated_tokens": "tokens written (change against text),\nlatent steps beside them",
    "seconds": "seconds (speed-up over text)\n",
}

Groups = dict[int, list[Run]]
"""Number of rounds -> its text runs, then its latent runs."""


def costs_by_rounds(family: Family) -> Plot | str:
    """Bars of tokens and of seconds a question; the plot, or why there is none."""
    groups = _groups(family)
    if not groups:
        return "needs a latent run and a text run with as many rounds that are alike in all else"
    machines = sorted({run.machine for runs in groups.values() for run in runs})
    costs = list(TITLES) if len(machines) == 1 else ["generated_tokens"]
    title = "Cost per question by rounds"
    with canvas(title, family.description, len(costs)) as (figure, panels):
        for panel, cost in zip(panels, costs, strict=True):
            _draw_bars(panel, family, groups, cost)
            panel.set_xlabel("rounds")
            panel.set_title(TITLES[cost])
    caption = (
        f"{title}: {family.description}. Percent: change of tokens written against text; times: speed-up."
    )
    if len(machines) > 1:
        caption += f" Seconds are left out, as they do not compare: {'; '.join(machines)}."
    return Plot(name=f"costs_by_rounds-{family.name}", caption=caption, figure=figure)


def _groups(family: Family) -> Groups:
    groups: Groups = {}
    for text in family.of_mode("text"):
        groups.setdefault(text.rounds, []).append(text)
    for latent in family.of_mode("latent"):
        if latent.rounds in groups:
            groups[latent.rounds].append(latent)
    return {rounds: runs for rounds, runs in groups.items() if runs[-1].mode == "latent"}


def _draw_bars(panel: Axes, family: Family, groups: Groups, cost: str) -> None:
    """A group of bars a number of rounds; latent steps, hatched, beside the tokens.

    Each has a bar of its own, so that what is said of the tokens stands on the tokens.
    """
    bars = {rounds: [bar for run in runs for bar in _bars(run, cost)] for rounds, runs in groups.items()}
    most = max(map(len, bars.values()))
    width = 0.8 / most
    shown = sorted((run for runs in groups.values() for run in runs), key=_by_length)
    for colour, label in dict.fromkeys(_look(family, run) for run in shown):
        panel.bar(0, 0, color=colour, label=label)  # for the legend, shortest first
    for place, (rounds, row) in enumerate(bars.items()):
        base = groups[rounds][0].costs_a_question()
        for i, (run, shown_cost) in enumerate(row):
            x, costs = place + dodge(i, len(row), width), run.costs_a_question()
            colour, _ = _look(family, run)
            hatching: dict[str, Any] = {"alpha": 0.5, "hatch": "//"} if shown_cost == "latent_steps" else {}
            panel.bar(x, costs[shown_cost], 0.92 * width, color=colour, **hatching)
            if run.mode == "latent" and shown_cost == cost:
                _write_above(panel, x, costs[cost], _gain(base, costs, cost), upright=most > 2)
    if cost == "generated_tokens":
        panel.bar(0, 0, color=GREY, alpha=0.5, hatch="//", label="latent steps")
    panel.set_xticks(range(len(groups)), list(map(str, groups)))
    panel.margins(y=0.25 if most > 2 else 0.15)


def _bars(run: Run, cost: str) -> list[tuple[Run, str]]:
    """A run's bars, as the costs that they show: latent steps stand beside tokens."""
    with_steps = cost == "generated_tokens" and run.costs_a_question()["latent_steps"] > 0
    return [(run, cost), *([(run, "latent_steps")] if with_steps else [])]


def _write_above(panel: Axes, x: float, top: float, text: str, *, upright: bool) -> None:
    panel.annotate(
        text,
        (x, top),
        (0, 5),
        textcoords="offset points",
        ha="center",
        fontsize=11 if upright else 13,
        rotation=90 if upright else 0,
    )


def _by_length(run: Run) -> int:
    return -1 if run.latent_length is None else run.latent_length


def _look(family: Family, run: Run) -> tuple[str, str]:
    """A bar's colour and its name in the legend."""
    if run.latent_length is None:
        return TEXT_COLOUR, "text"
    return latent_colour(family, run.latent_length), f"latent, length {run.latent_length}"


def _gain(base: dict[str, float], costs: dict[str, float], cost: str) -> str:
    """What stands above a latent run's bar."""
    if cost == "seconds":
        return f"{base[cost] / costs[cost]:.1f}×" if costs[cost] else ""
    saved = saved_share(base[cost], costs[cost])
    return "" if saved is None else f"{-100 * saved:+.0f}%".replace("-", "−")

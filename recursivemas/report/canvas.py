"""What all plots share: size, colours, axes, and how they are written.

Colours are those of Okabe and Ito, which most colour-blind people tell apart; markers, dashes and hatches say
the same again. matplotlib comes with the extra `report` and is imported where it is used.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recursivemas.errors import UserError
from recursivemas.report.grouping import Family

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

SUFFIXES = ("png", "svg")
DOTS_PER_INCH = 160
SIZE = (10.0, 5.625)
"""Inches: 16:9, as slides are."""
SUBTITLE_WIDTH = 92
"""Characters that fit into a line."""

LEAST_SPAN = 20.0
"""Percent that an axis shows at least, lest it make much of little."""

COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
TEXT_COLOUR = "#D55E00"
GREY = "#6b6b6b"
MARKERS = ("o", "^", "D", "v", "P", "X")
LOOK: Any = {
    "font.size": 14,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#dddddd",
    "hatch.color": "white",
    "hatch.linewidth": 2.0,
    "legend.frameon": False,
    "text.parse_math": False,
    "xtick.major.pad": 8,
    "svg.hashsalt": "recursivemas",
}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A drawn plot: its file name without suffix, and what it shows in words."""

    name: str
    caption: str
    figure: Figure

    def save(self, folder: Path) -> list[Path]:
        """Write it as PNG and SVG, the same bytes for the same plot; returns the files."""
        from matplotlib import rc_context

        paths = [folder / f"{self.name}.{suffix}" for suffix in SUFFIXES]
        with rc_context(LOOK):
            for path in paths:
                metadata = {"Date": None} if path.suffix == ".svg" else None
                self.figure.savefig(path, dpi=DOTS_PER_INCH, metadata=metadata)
        return paths


def check_matplotlib() -> None:
    """Raise UserError when matplotlib is not there."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UserError(
            "plots need matplotlib, which is not installed; pip install 'recursivemas[report]', or give "
            "--no_plots for the tables alone"
        ) from error


@contextmanager
def canvas(title: str, subtitle: str, num_panels: int = 1) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with its titles and panels side by side; on leaving, the legend is put below them."""
    from matplotlib import rc_context
    from matplotlib.container import Container
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with rc_context(LOOK):
        figure = Figure(figsize=SIZE, layout=ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.09))
        figure.suptitle(title, x=0.015, ha="left", fontsize=19, fontweight="bold")
        body: SubFigure = figure.subfigures(1, 1, squeeze=False)[0, 0]
        body.suptitle(textwrap.fill(subtitle, SUBTITLE_WIDTH), x=0.015, ha="left", fontsize=13)
        panels = list(body.subplots(1, num_panels, squeeze=False)[0])
        yield figure, panels
        entries = {
            label: handle
            for panel in panels
            for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
        }
        # Runs first, then what they are held against.
        labels = sorted(entries, key=lambda label: not isinstance(entries[label], Container))
        handles = [entries[label] for label in labels]
        body.legend(handles, labels, loc="outside lower left", ncols=3, handlelength=2.6)


def latent_colour(family: Family, length: int) -> str:
    """A latent length's colour, the same in all of a family's plots by rounds."""
    return COLOURS[family.latent_lengths.index(length) % len(COLOURS)]


def set_percent_axis(panel: Axes, limits: Sequence[float], label: str) -> None:
    """A percent axis that shows all the limits: from 0, unless they all lie in a band well above it."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(limits), max(limits)
    margin = max(0.06 * (high - low), 2.0)
    top = max(min(high + margin, 101.0), LEAST_SPAN)
    bottom = min(low - margin, top - LEAST_SPAN) if low > 40 and high - low < low else 0.0
    panel.yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    panel.set_ylim(bottom, top)
    panel.set_ylabel(label)


def dodge(index: int, count: int, step: float) -> float:
    """How far series `index` of `count` stands beside its place, so that none hides another."""
    return (index - (count - 1) / 2) * step

"""An ablation: a benchmark over a grid of modes, variants, links, latent lengths and rounds.

Each cell of the grid is a run folder of its own, in `cells/` of the ablation's; `ablation.json` says which
grid it is. A variant is a set of links, by a name of the user's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from recursivemas.errors import UserError, did_you_mean
from recursivemas.files.whole import write_whole
from recursivemas.runs.files import CONFIG, check_there, read_json
from recursivemas.runs.folder import to_bytes
from recursivemas.settings import MODES
from recursivemas.settings.link_control import read_link_control
from recursivemas.values import Count, Text, read_as

RECORD, CELLS = "ablation.json", "cells"
LOADED = "loaded"
"""The variant whose links are those that the run's other settings load."""
VARIANT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]*")
AXES = ("mode", "links", "latent_length", "num_recursive_rounds")
"""The settings that a grid takes several values of."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a grid; None for what it does not read.

    In text mode agents pass on no latents, in mode single they pass on nothing. With latents of length 0
    there is nothing that a link could change.
    """

    mode: str
    variant: str | None = None
    links: str | None = None
    latent_length: int | None = None
    num_recursive_rounds: int | None = None

    @classmethod
    def of(cls, mode: str, variant: str, links: str, latent_length: int, rounds: int) -> Cell:
        """The cell for a value of each axis; the same one where they differ in what is not read."""
        if mode == "single":
            return cls(mode=mode)
        if mode == "text":
            return cls(mode=mode, num_recursive_rounds=rounds)
        if latent_length == 0:
            return cls(mode=mode, latent_length=0, num_recursive_rounds=rounds)
        return cls(
            mode=mode,
            variant=variant,
            links=links,
            latent_length=latent_length,
            num_recursive_rounds=rounds,
        )

    @property
    def name(self) -> str:
        """The name of its folder: `trained-length8-rounds2`, `plain-zero-length8-rounds2`, `text-rounds2`."""
        parts = [] if self.mode == "latent" else [self.mode]
        parts += [self.variant] if self.variant not in (None, LOADED) else []
        parts += [self.links.replace(":", "")] if self.links else []
        parts += [f"length{self.latent_length}"] if self.latent_length is not None else []
        parts += [f"rounds{self.num_recursive_rounds}"] if self.num_recursive_rounds is not None else []
        return "-".join(parts)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The values of each axis, in order, and the name of the full system's cell, the measure of the others.

    `variants` are overrides (ROLE=DIR, outer=DIR) by name. Raises UserError for an axis that repeats a value,
    a value that there is not, a variant that cannot be named so, fewer than two cells, and for a full system
    that is none of them.
    """

    mode: tuple[Text, ...]
    variants: Mapping[Text, tuple[Text, ...]]
    links: tuple[Text, ...]
    latent_length: tuple[Count, ...]
    num_recursive_rounds: tuple[Count, ...]
    full: Text

    def __post_init__(self) -> None:
        for axis in AXES:
            values = getattr(self, axis)
            if repeated := [one for one in values if values.count(one) > 1]:
                raise UserError(f"{axis} names {repeated[0]!r} twice; name each value once")
        for mode in self.mode:
            if mode not in MODES:
                raise UserError(f"mode is {mode!r}; it has to be one of {', '.join(MODES)}")
        for links in self.links:
            read_link_control(links)
        for name in self.variants:
            if not VARIANT_NAME.fullmatch(name):
                raise UserError(
                    f"variant {name!r} cannot be a folder's name everywhere; use letters, digits, _ and ."
                )
        cells = self.cells
        if len(cells) < 2:
            raise UserError(
                "an ablation needs two cells or more, and this grid has one; give an axis several values, "
                "such as --links trained,zero"
            )
        if self.full not in cells:
            raise UserError(
                f"the full system {self.full!r} is none of the grid's cells{did_you_mean(self.full, cells)}; "
                f"they are {', '.join(cells)}"
            )

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """The cells by name, in the order of the axes' values; each once."""
        axes = (self.mode, self.variants, self.links, self.latent_length, self.num_recursive_rounds)
        cells = (Cell.of(*values) for values in product(*axes))
        return {cell.name: cell for cell in cells}


def first_cell(axes: Mapping[str, Any]) -> str:
    """The name of the cell of each axis's first value; the axes are those of a grid, by field."""
    first = (next(iter(axes[name])) for name in ("mode", "variants", *AXES[1:]))
    return Cell.of(*first).name


def check_goes_on(folder: Path, grid: Grid) -> None:
    """Raise UserError where the folder holds something else than the beginning of that grid.

    An axis may have grown: what was run stays as it was. Where no cell was begun, any grid may be.
    """
    if (folder / CONFIG).exists():
        raise UserError(f"{folder} holds a single run; give another --output_dir for the ablation")
    if not (folder / RECORD).exists() or not any((folder / CELLS).glob(f"*/{CONFIG}")):
        return
    before = read_grid(folder)
    for axis in ("variants", *AXES):
        had, has = getattr(before, axis), getattr(grid, axis)
        if axis == "variants":
            had, has = tuple(had.items()), tuple(has.items())
        if has[: len(had)] != had:
            raise UserError(
                f"{folder} holds an ablation with {axis} {_in_words(had)}, and here they are "
                f"{_in_words(has)}. Begin with the same, new ones behind them, or give another --output_dir"
            )


def _in_words(values: tuple[Any, ...]) -> str:
    return ", ".join(" ".join([one[0], *one[1]]) if isinstance(one, tuple) else str(one) for one in values)


def write_grid(folder: Path, grid: Grid) -> None:
    """Note in the folder which grid it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / RECORD, to_bytes(json.dumps(asdict(grid), indent=2) + "\n"))


def read_grid(folder: Path) -> Grid:
    """The grid that a folder holds. Raises UserError where it holds none, or a damaged record."""
    cure = "repeat the command that wrote it, with another --output_dir, or put the file back"
    try:
        value = read_json(folder / RECORD, cure)
    except (FileNotFoundError, NotADirectoryError) as error:
        check_there(folder)
        raise UserError(
            f"{folder} holds no ablation: there is no {RECORD} in it. `recursivemas ablate --output_dir "
            f"{folder} --links trained,zero ...` runs one"
        ) from error
    return read_as(Grid, value, f"{folder / RECORD} is damaged; {cure}")

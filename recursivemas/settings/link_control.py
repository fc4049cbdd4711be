"""The setting `links`: what passes between agents, trained messages or, as a control, something else."""

from __future__ import annotations

import math
from dataclasses import dataclass

from recursivemas.errors import UserError

KINDS = ("trained", "zero", "random", "identity", "shuffle")
NOISE = "noise"


@dataclass(frozen=True)
class LinkControl:
    """One of KINDS, or NOISE."""

    kind: str
    sigma: float = 0.0
    """Of NOISE: its size relative to a message's root mean square."""


def read_link_control(text: str) -> LinkControl:
    """A control by its name, noise as `noise:SIGMA`. Raises UserError for anything else."""
    kind, colon, number = text.partition(":")
    if text in KINDS:
        return LinkControl(text)
    try:
        sigma = float(number)
    except ValueError:
        sigma = math.nan
    if kind == NOISE and colon and 0 < sigma < math.inf:
        return LinkControl(NOISE, sigma)
    raise UserError(
        f"links is {text!r}; it has to be one of {', '.join(KINDS)}, or noise:SIGMA with SIGMA above 0"
    )

"""A run's settings: what can be set, what is recommended, and where each value came from."""

from recursivemas.settings.link_control import LinkControl
from recursivemas.settings.run_settings import (
    DTYPES,
    MODES,
    SWEEP,
    SWEPT_LENGTHS,
    Mode,
    Origin,
    RunSettings,
    SolveSettings,
    resolve_settings,
)

__all__ = [
    "DTYPES",
    "MODES",
    "SWEEP",
    "SWEPT_LENGTHS",
    "LinkControl",
    "Mode",
    "Origin",
    "RunSettings",
    "SolveSettings",
    "resolve_settings",
]

"""A run's settings: what can be set, what is recommended, and where each value came from."""

from recursivemas.settings.groups import (
    ATTENTIONS,
    AUTO,
    BACKENDS,
    DTYPES,
    MODES,
    OFFLOADS,
    QUANTIZATIONS,
    STATIC_CACHES,
    SWEEP,
    SWEPT_LENGTHS,
    GradingSettings,
    Mode,
    ModelSettings,
    QuestionSettings,
    RecordSettings,
    SolveSettings,
    ToolSettings,
)
from recursivemas.settings.link_control import LinkControl
from recursivemas.settings.run_settings import NEUTRAL, OPTIONS, Origin, RunSettings, resolve_settings

__all__ = [
    "ATTENTIONS",
    "AUTO",
    "BACKENDS",
    "DTYPES",
    "MODES",
    "NEUTRAL",
    "OFFLOADS",
    "OPTIONS",
    "QUANTIZATIONS",
    "STATIC_CACHES",
    "SWEEP",
    "SWEPT_LENGTHS",
    "GradingSettings",
    "LinkControl",
    "Mode",
    "ModelSettings",
    "Origin",
    "QuestionSettings",
    "RecordSettings",
    "RunSettings",
    "SolveSettings",
    "ToolSettings",
    "resolve_settings",
]

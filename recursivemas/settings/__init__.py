"""A run's settings: what can be set, what is recommended, and where each value came from."""

from recursivemas.settings.groups import (
    ATTENTIONS,
    AUTO,
    BACKENDS,
    DTYPES,
    MODES,
    OFFLOADS,
    PREFILLS,
    QUANTIZATIONS,
    STATIC_CACHES,
    SWEEP,
    SWEPT_LENGTHS,
    GradingSettings,
    Mode,
    ModelSettings,
    RecordSettings,
    SolveSettings,
    ToolSettings,
    check_for_vllm,
)
from recursivemas.settings.link_control import LinkControl
from recursivemas.settings.question_settings import QuestionSettings
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
    "PREFILLS",
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
    "check_for_vllm",
    "resolve_settings",
]

"""All settings of a run, told flat or in groups, and where each value came from.

Order: built-in default < recommended row < what a release folder brings < explicit flag < quirks.
Source of the recommended rows: docs/protocol.md, "Settings".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from recursivemas.benchmarks import Benchmark, find_benchmark
from recursivemas.errors import UserError, did_you_mean
from recursivemas.options import Option, build, flatten, iterate_options
from recursivemas.settings.groups import (
    GradingSettings,
    ModelSettings,
    RecordSettings,
    SolveSettings,
    ToolSettings,
    check_for_vllm,
)
from recursivemas.settings.of_release import of_release
from recursivemas.settings.question_settings import QuestionSettings
from recursivemas.settings.recommended import recommended

Origin = Literal["default", "recommended", "release", "explicit", "sweep", "quirk"]


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Every setting of a run; the command line has one flag an option, with the same name."""

    model: ModelSettings = field(default_factory=ModelSettings)
    questions: QuestionSettings = field(default_factory=QuestionSettings)
    solve: SolveSettings = field(default_factory=SolveSettings)
    tools: ToolSettings = field(default_factory=ToolSettings)
    grading: GradingSettings = field(default_factory=GradingSettings)
    record: RecordSettings = field(default_factory=RecordSettings)

    def __post_init__(self) -> None:
        if self.model.backend == "vllm":
            check_for_vllm(self.solve)

    @classmethod
    def of(cls, **values: Any) -> RunSettings:
        """The settings with these values by name, whatever their group. Raises UserError for bad ones."""
        if unknown := sorted(set(values) - set(OPTIONS)):
            raise UserError(
                f"there is no setting {unknown[0]!r}{did_you_mean(unknown[0], OPTIONS)}; there are "
                f"{', '.join(OPTIONS)}"
            )
        return build(cls, values)

    def values(self) -> dict[str, Any]:
        """Every value by name."""
        return flatten(self)

    def but(self, **changes: Any) -> RunSettings:
        """The same settings with some values changed."""
        return self.of(**{**self.values(), **changes})


OPTIONS: Mapping[str, Option] = {option.name: option for option in iterate_options(RunSettings)}
"""All options by name, in the order of groups."""
SEARCH_CHOICES = ("search_folder", "search_offline", "tavily_keys_file", "tavily_base_url")
NEUTRAL = frozenset(name for name, option in OPTIONS.items() if option.metadata.get("neutral"))
"""Options that do not change what a run results in."""


def resolve_settings(
    explicit: Mapping[str, Any], benchmark: Benchmark | None = None
) -> tuple[RunSettings, dict[str, Origin]]:
    """Settings from what was given explicitly, and each option's origin; raises what RunSettings raises.

    `benchmark` is that of the setting `dataset`, where it has been found already.
    """
    base = RunSettings.of(**explicit)
    benchmark = benchmark or find_benchmark(base.questions.dataset)
    quirks = benchmark.release_settings if base.solve.release_quirks else {}
    layers: dict[Origin, Mapping[str, Any]] = {
        "recommended": recommended(base.model.style, benchmark, base.model.recommended),
        "release": _where_they_are_read(of_release(base.model.release), explicit),
        "explicit": explicit,
        "quirk": quirks,
    }
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = dict.fromkeys(OPTIONS, "default")
    for origin, layer in layers.items():
        values |= layer
        origins |= dict.fromkeys(layer, origin)
    return RunSettings.of(**values), origins


def _where_they_are_read(brought: Mapping[str, Any], explicit: Mapping[str, Any]) -> dict[str, Any]:
    """What a release brings, but for its search folder where the search has been chosen otherwise."""
    chosen = any(explicit.get(name) for name in SEARCH_CHOICES)
    return {name: value for name, value in brought.items() if not (chosen and name == "search_folder")}

"""How text is sampled, as settings. Nothing here needs torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from recursivemas.errors import UserError
from recursivemas.options import check_options, option

if TYPE_CHECKING:
    from transformers import GenerationConfig

Value = TypeVar("Value")

MODEL_DEFAULT_TOP_K = 50
"""What transformers' `generate` uses where a model's generation configuration names no top_k."""


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How text is sampled. None leaves the model's own generation configuration in force.

    Temperature, top_p and repetition_penalty default to the published values, whatever the model says
    (docs/protocol.md, "Decoding"). `top_k` -1 is the published spelling of None. Raises UserError for a value
    of another type or out of range.
    """

    temperature: float = option(0.6, "sampling temperature", recommended=True)
    top_p: float = option(0.95, "nucleus sampling: probability mass that is kept")
    top_k: int = option(-1, "tokens that are kept; -1: the model's own setting, 0: all")
    min_p: float | None = option(
        None, "least probability relative to the likeliest token (default: the model's)"
    )
    repetition_penalty: float = option(1.0, "above 1: repeat less; the model's own setting is not read")
    greedy: bool = option(False, "always take the likeliest token instead of sampling")

    def __post_init__(self) -> None:
        check_options(self)
        checks = {
            "temperature": (0 < self.temperature < math.inf, "above 0 (use greedy for the limit) and finite"),
            "top_p": (0 < self.top_p <= 1, "above 0 and at most 1"),
            "top_k": (self.top_k >= -1, "0 (off), -1 (the model's own) or a positive count"),
            "min_p": (self.min_p is None or 0 <= self.min_p <= 1, "between 0 and 1"),
            "repetition_penalty": (0 < self.repetition_penalty < math.inf, "above 0 and finite"),
        }
        for name, (holds, accepted) in checks.items():
            if not holds:
                raise UserError(f"{name} is {getattr(self, name)}; it has to be {accepted}")

    def resolve(self, model_defaults: GenerationConfig | None) -> SamplingSettings:
        """The same with every None filled from the model's generation configuration, then transformers'."""
        top_k = None if self.top_k == -1 else self.top_k
        return replace(
            self,
            top_k=_first(top_k, getattr(model_defaults, "top_k", None), MODEL_DEFAULT_TOP_K),
            min_p=_first(self.min_p, getattr(model_defaults, "min_p", None), 0.0),
        )


def _first(*values: Value | None) -> Value:
    return next(value for value in values if value is not None)

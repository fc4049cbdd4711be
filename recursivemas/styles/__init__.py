"""Styles: a multi-agent system as data."""

from recursivemas.styles.graph import (
    DEFAULT_INNER_VARIANT,
    HUB_ORGANISATION,
    SINGLE_PROMPT,
    TOOLS,
    AgentSpec,
    LinkSpec,
    Style,
    alone,
)
from recursivemas.styles.published import (
    DELIBERATION,
    DISTILLATION,
    MIXTURE,
    PUBLISHED_STYLES,
    SEQUENTIAL_LIGHT,
    SEQUENTIAL_SCALED,
)
from recursivemas.styles.read import load_style

__all__ = [
    "DEFAULT_INNER_VARIANT",
    "DELIBERATION",
    "DISTILLATION",
    "HUB_ORGANISATION",
    "MIXTURE",
    "PUBLISHED_STYLES",
    "SEQUENTIAL_LIGHT",
    "SEQUENTIAL_SCALED",
    "SINGLE_PROMPT",
    "TOOLS",
    "AgentSpec",
    "LinkSpec",
    "Style",
    "alone",
    "load_style",
]

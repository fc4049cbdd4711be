"""RecursiveMAS: heterogeneous LLM agents that think and talk in latent space (arXiv 2604.25917)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recursivemas.question import Question
    from recursivemas.recursion.trace import Solution
    from recursivemas.report.saved import SavedRun, open_run
    from recursivemas.runs.prepare import prepare
    from recursivemas.styles import Style, load_style
    from recursivemas.system import MASSystem, load_mas_system

__version__ = "0.1.0"

__all__ = [
    "MASSystem",
    "Question",
    "SavedRun",
    "Solution",
    "Style",
    "__version__",
    "load_mas_system",
    "load_style",
    "open_run",
    "prepare",
]

_HOMES = {
    "MASSystem": "recursivemas.system",
    "Question": "recursivemas.question",
    "SavedRun": "recursivemas.report.saved",
    "Solution": "recursivemas.recursion.trace",
    "Style": "recursivemas.styles",
    "load_mas_system": "recursivemas.system",
    "load_style": "recursivemas.styles",
    "open_run": "recursivemas.report.saved",
    "prepare": "recursivemas.runs.prepare",
}


def __getattr__(name: str) -> Any:
    """Import on first use: torch and transformers take seconds that graders and tools need not pay."""
    if name not in _HOMES:
        raise AttributeError(f"module 'recursivemas' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

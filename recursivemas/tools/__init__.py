"""Tools: running code that nobody has vouched for."""

from recursivemas.tools.isolation import LEVELS, Isolation
from recursivemas.tools.sandbox import (
    IsolationError,
    Limits,
    Outcome,
    SandboxError,
    find_isolation,
    run_python,
    site_packages,
    why_not,
)

__all__ = [
    "LEVELS",
    "Isolation",
    "IsolationError",
    "Limits",
    "Outcome",
    "SandboxError",
    "find_isolation",
    "run_python",
    "site_packages",
    "why_not",
]

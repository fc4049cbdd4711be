"""Running code that nobody has vouched for. Tools and grading both stand on it."""

from recursivemas.sandbox.isolation import LEVELS, Isolation
from recursivemas.sandbox.run import (
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

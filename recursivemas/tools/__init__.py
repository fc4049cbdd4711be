"""Tools: what agents may use while they write, and running code that nobody has vouched for."""

from recursivemas.tools.base import MAX_RESULT_CHARACTERS, Tool, ToolAnswer
from recursivemas.tools.isolation import LEVELS, Isolation
from recursivemas.tools.python import PythonTool
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
from recursivemas.tools.tags import Request, as_block, find_request, may_end_request
from recursivemas.tools.toolbox import MAX_CALLS, Toolbox, ToolCall, without_calls

__all__ = [
    "LEVELS",
    "MAX_CALLS",
    "MAX_RESULT_CHARACTERS",
    "Isolation",
    "IsolationError",
    "Limits",
    "Outcome",
    "PythonTool",
    "Request",
    "SandboxError",
    "Tool",
    "ToolAnswer",
    "ToolCall",
    "Toolbox",
    "as_block",
    "find_isolation",
    "find_request",
    "may_end_request",
    "run_python",
    "site_packages",
    "why_not",
    "without_calls",
]

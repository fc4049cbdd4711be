"""Tools: what agents may use while they write."""

from recursivemas.tools.base import MAX_RESULT_CHARACTERS, Tool, ToolAnswer
from recursivemas.tools.python import PythonTool
from recursivemas.tools.tags import Request, as_block, find_request, may_end_request
from recursivemas.tools.toolbox import MAX_CALLS, Toolbox, ToolCall, without_calls

__all__ = [
    "MAX_CALLS",
    "MAX_RESULT_CHARACTERS",
    "PythonTool",
    "Request",
    "Tool",
    "ToolAnswer",
    "ToolCall",
    "Toolbox",
    "as_block",
    "find_request",
    "may_end_request",
    "without_calls",
]

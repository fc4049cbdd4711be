"""The search tool, and what it can search: the web through Tavily, or a folder of text files."""

from recursivemas.tools.search.base import (
    MAX_CONTENT_CHARACTERS,
    MAX_HITS,
    Hit,
    Patience,
    SearchError,
    SearchProvider,
)
from recursivemas.tools.search.folder import FolderSearch
from recursivemas.tools.search.keys import KEY_VARIABLE, find_keys
from recursivemas.tools.search.tavily import TavilySearch
from recursivemas.tools.search.tool import DEADLINE_S, SearchTool

__all__ = [
    "DEADLINE_S",
    "KEY_VARIABLE",
    "MAX_CONTENT_CHARACTERS",
    "MAX_HITS",
    "FolderSearch",
    "Hit",
    "Patience",
    "SearchError",
    "SearchProvider",
    "SearchTool",
    "TavilySearch",
    "find_keys",
]

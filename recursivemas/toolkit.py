"""The tools that a run's agents have, built as its settings say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from recursivemas.disk_cache import DiskCache
from recursivemas.settings import RunSettings
from recursivemas.styles import Style
from recursivemas.tools import PythonTool, Tool, Toolbox, find_isolation
from recursivemas.tools.search import (
    FolderSearch,
    SearchProvider,
    SearchTool,
    TavilySearch,
    find_keys,
)

SETTINGS = tuple(spec.name for spec in fields(RunSettings) if spec.metadata.get("of_tools"))
"""The settings that are about tools alone."""


def build_toolbox(style: Style, settings: RunSettings, run_folder: Path | None = None) -> Toolbox | None:
    """The tools that agents of the style use where they write text, None where they use none.

    What searches find is kept in `search_cache`, else in `search` in the run's folder, if there is one.
    Raises UserError where a tool cannot be had: no sandbox, a file that is no keys file.
    """
    writing = style.agents if settings.mode == "text" else style.agents[-1:]
    names = [name for name in _BUILDERS if any(name in agent.tools for agent in writing)]
    if not names or settings.max_tool_calls == 0:
        return None
    tools = [_BUILDERS[name](settings, run_folder) for name in names]
    return Toolbox(tools, max_calls=settings.max_tool_calls)


def _python(settings: RunSettings, run_folder: Path | None) -> Tool:
    isolation = find_isolation(allow_unisolated=settings.allow_unisolated_code)
    return PythonTool(isolation, echo=settings.python_echo)


def _search(settings: RunSettings, run_folder: Path | None) -> Tool:
    folder = Path(settings.search_cache) if settings.search_cache else run_folder and run_folder / "search"
    provider = _provider(settings)
    return SearchTool(provider, cache=DiskCache(folder) if folder else None, offline=settings.search_offline)


def _provider(settings: RunSettings) -> SearchProvider | None:
    """What is searched; None without a key. Offline nothing is asked, and no key is needed."""
    if settings.search_folder:
        return FolderSearch(Path(settings.search_folder))
    keys_file = Path(settings.tavily_keys_file) if settings.tavily_keys_file else None
    keys = [] if settings.search_offline else find_keys(keys_file)
    if not keys and not settings.search_offline:
        return None
    return TavilySearch(keys, settings.tavily_base_url)


_BUILDERS: dict[str, Callable[[RunSettings, Path | None], Tool]] = {"python": _python, "search": _search}

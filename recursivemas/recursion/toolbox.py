"""The tools that a run's agents have, built as its settings say."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from recursivemas.errors import UserError
from recursivemas.files.disk_cache import DiskCache
from recursivemas.sandbox import find_isolation
from recursivemas.settings import SolveSettings, ToolSettings
from recursivemas.styles import AgentSpec, Style
from recursivemas.tools import PythonTool, Tool, Toolbox
from recursivemas.tools.search import (
    FolderSearch,
    SearchProvider,
    SearchTool,
    TavilySearch,
    find_keys,
)

KIND = ("provider", "base_url", "folder")
"""What a kept search says of who made it."""


def build_toolbox(
    style: Style, settings: ToolSettings, solving: SolveSettings, run_folder: Path | None = None
) -> Toolbox | None:
    """The tools that agents of the style use where they write text, None where they use none.

    What searches find is kept in `search_cache`, else in `search` in the run's folder, if there is one;
    nothing is made on disk before something is found. Raises UserError where a tool cannot be had: no
    sandbox, a file that is no keys file, a cache that cannot be kept.
    """
    writing = writing_agents(style, solving.passes)
    names = [name for name in _BUILDERS if any(name in agent.tools for agent in writing)]
    if not names or settings.max_tool_calls == 0:
        return None
    tools = [_BUILDERS[name](settings, run_folder) for name in names]
    return Toolbox(tools, max_calls=settings.max_tool_calls)


def writing_agents(style: Style, mode: str) -> tuple[AgentSpec, ...]:
    """The agents that write text: all in mode text, else the answering one, as latent rounds write none."""
    return style.agents if mode == "text" else style.agents[-1:]


def tool_names(style: Style, toolbox: Toolbox | None) -> dict[str, Sequence[str]]:
    """The tools that each agent has of a toolbox, by role."""
    boxes = {spec.role: toolbox.only(spec.tools) if toolbox else None for spec in style.agents}
    return {role: box.names if box else () for role, box in boxes.items()}


def _python(settings: ToolSettings, run_folder: Path | None) -> Tool:
    isolation = find_isolation(allow_unisolated=settings.allow_unisolated_code)
    return PythonTool(isolation, echo=settings.python_echo)


def _search(settings: ToolSettings, run_folder: Path | None) -> Tool:
    folder = run_folder and run_folder / "search"
    provider = _provider(settings)
    if settings.search_cache:
        folder = Path(settings.search_cache)
        _check_cache(folder, offline=settings.search_offline)
    cache = DiskCache(folder) if folder else None
    if settings.search_offline and cache and provider:
        _check_kept(cache, provider)
    return SearchTool(provider, cache=cache, offline=settings.search_offline)


def _check_kept(cache: DiskCache, provider: SearchProvider) -> None:
    """UserError where a cache holds no search of the provider's, so that none could be answered."""
    wanted = provider.describe()
    decisive = {*wanted, "base_url"}
    entries = [entry for entry in cache.entries() if "provider" in entry]
    if any(all(entry.get(name) == wanted.get(name) for name in decisive) for entry in entries):
        return
    kept = Counter(", ".join(f"{name} {entry[name]}" for name in KIND if name in entry) for entry in entries)
    found = "; ".join(f"{count} of {kind}" for kind, count in kept.items()) or "none at all"
    raise UserError(
        f"search_cache {cache.folder} keeps no searches of {wanted}, but {found}; give the folder `search` "
        "of a run, and its tavily_base_url if it had one"
    )


def _check_cache(folder: Path, *, offline: bool) -> None:
    """UserError where searches could not be found or kept; leaves nothing on disk."""
    # A folder that is not there yet will be made, in the nearest one above that is.
    nearest = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not nearest.is_dir():
        reason = f"{nearest} is no folder"
    elif offline and nearest != folder:
        reason = "there is no such folder"
    elif not os.access(nearest, os.X_OK | (os.R_OK if offline else os.W_OK)):
        reason = f"you may not {'read' if offline else 'write'} in {nearest}"
    else:
        return
    advice = "the folder in which a run kept its searches" if offline else "another folder, or none"
    raise UserError(f"search_cache {folder} cannot be used: {reason}; give {advice}")


def _provider(settings: ToolSettings) -> SearchProvider | None:
    """What is searched; None without a key. Offline nothing is asked, and no key is needed."""
    if settings.search_folder:
        return FolderSearch(Path(settings.search_folder))
    keys_file = Path(settings.tavily_keys_file) if settings.tavily_keys_file else None
    keys = [] if settings.search_offline else find_keys(keys_file)
    provider = TavilySearch(keys, settings.tavily_base_url)
    return provider if keys or settings.search_offline else None


_BUILDERS: dict[str, Callable[[ToolSettings, Path | None], Tool]] = {"python": _python, "search": _search}

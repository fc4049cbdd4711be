"""Doorway: `from system_loader import load_mas_system`, as the model cards write it."""

from recursivemas.agents.agent import Agent as LoadedAgent
from recursivemas.release.paths import ResolvedMASPaths, resolve_mas_paths, summarize_mas_paths
from recursivemas.system import MASSystem, load_mas_system, unload_mas_system

LoadedMASSystem = MASSystem

__all__ = [
    "LoadedAgent",
    "LoadedMASSystem",
    "MASSystem",
    "ResolvedMASPaths",
    "load_mas_system",
    "resolve_mas_paths",
    "summarize_mas_paths",
    "unload_mas_system",
]

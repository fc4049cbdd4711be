"""Doorway: `from system_loader import load_mas_system`, as the model cards write it."""

from recursivemas.system import MASSystem, load_mas_system

__all__ = ["MASSystem", "load_mas_system"]

"""Doorway: loading a style's agents and links from a release."""

from recursivemas.agents.agent import Agent
from recursivemas.agents.load import load_engine
from recursivemas.links import load_inner_link, load_outer_link
from recursivemas.published.specs import DATASET_DEFAULT_SPLIT, STYLE_SPECS
from recursivemas.release.resolve import resolve_release
from recursivemas.system import MASSystem, load_mas_system

__all__ = [
    "DATASET_DEFAULT_SPLIT",
    "STYLE_SPECS",
    "Agent",
    "MASSystem",
    "load_engine",
    "load_inner_link",
    "load_mas_system",
    "load_outer_link",
    "resolve_release",
]

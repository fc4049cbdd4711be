"""Doorway: the engine that thinks and writes, and the recursion on top of it."""

from recursivemas.engine import (
    Engine,
    Generated,
    LocalEngine,
    SamplingSettings,
    Session,
    Thoughts,
    WriteRequest,
    random_stream,
)
from recursivemas.recursion.loop import recurse

__all__ = [
    "Engine",
    "Generated",
    "LocalEngine",
    "SamplingSettings",
    "Session",
    "Thoughts",
    "WriteRequest",
    "random_stream",
    "recurse",
]

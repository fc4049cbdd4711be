"""Doorway: the engine that rolls out latents and decodes text, and the recursion on top of it."""

from recursivemas.engine import (
    Backbone,
    Generated,
    PromptBatch,
    Rollout,
    SamplingSettings,
    decode,
    random_stream,
    roll_out,
)
from recursivemas.recursion.loop import recurse

__all__ = [
    "Backbone",
    "Generated",
    "PromptBatch",
    "Rollout",
    "SamplingSettings",
    "decode",
    "random_stream",
    "recurse",
    "roll_out",
]

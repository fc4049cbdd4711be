"""The engine: what runs an agent's language model, behind one door.

`Engine.open(prompts)` gives a `Session`, whose rows `think`, `write` and `fork`, until they are released. A
latent step and a text step are the same step: a thought is fed back, or a sampled token. Nothing here knows a
style or a benchmark.
"""

from recursivemas.engine.base import (
    NOT_FINITE,
    Engine,
    Generated,
    Pauses,
    Piece,
    Positions,
    Prompt,
    Resumption,
    Segment,
    Session,
    Thoughts,
    WriteRequest,
)
from recursivemas.engine.local import LocalEngine, limit_rows
from recursivemas.engine.prefix_cache import PrefixCache
from recursivemas.engine.reuse import reuse_prefixes
from recursivemas.engine.sampling import random_stream
from recursivemas.engine.stream import rows_not_finite
from recursivemas.sampling import SamplingSettings

__all__ = [
    "NOT_FINITE",
    "Engine",
    "Generated",
    "LocalEngine",
    "Pauses",
    "Piece",
    "Positions",
    "PrefixCache",
    "Prompt",
    "Resumption",
    "SamplingSettings",
    "Segment",
    "Session",
    "Thoughts",
    "WriteRequest",
    "limit_rows",
    "random_stream",
    "reuse_prefixes",
    "rows_not_finite",
]

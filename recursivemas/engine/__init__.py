"""The engine: prefill and step. A latent step and a text step are the same step.

`Stream` runs a batch of sequences through one model with its cache. `roll_out` feeds thoughts back, `decode`
feeds sampled tokens back; neither knows a style or a benchmark.
"""

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.decode import NOT_FINITE, Generated, Pauses, Resumption, Segment, decode
from recursivemas.engine.prompt_batch import PromptBatch
from recursivemas.engine.rollout import Rollout, roll_out, rows_not_finite
from recursivemas.engine.sampling import Sampler, SamplingSettings, random_stream
from recursivemas.engine.stream import Stream

__all__ = [
    "NOT_FINITE",
    "Backbone",
    "Generated",
    "Pauses",
    "PromptBatch",
    "Resumption",
    "Rollout",
    "Sampler",
    "SamplingSettings",
    "Segment",
    "Stream",
    "decode",
    "random_stream",
    "roll_out",
    "rows_not_finite",
]

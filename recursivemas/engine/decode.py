"""Decoding text, with prompts that may hold latent thoughts.

Shapes: B batch, V vocabulary, D hidden size.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from recursivemas.engine.backbone import Backbone
from recursivemas.engine.prompt_batch import PromptBatch
from recursivemas.engine.sampling import Sampler, SamplingSettings
from recursivemas.engine.stream import Stream


@dataclass(frozen=True)
class Generated:
    """What one row wrote: token ids without the end-of-sequence token, and why it ended."""

    token_ids: tuple[int, ...]
    ended_by: Literal["stop", "length"]


def decode(
    backbone: Backbone,
    prompts: PromptBatch,
    *,
    streams: Sequence[random.Random],
    settings: SamplingSettings,
    max_new_tokens: int,
    stop_ids: Collection[int],
    histories: Sequence[Sequence[int]] = (),
    on_step: Callable[[int], None] | None = None,
) -> list[Generated]:
    """Write up to `max_new_tokens` tokens after each prompt; a row that is done leaves the batch.

    `streams` [B] are the rows' random numbers, `settings` the resolved sampling settings, `stop_ids` the
    end-of-sequence tokens, `histories` [B] token ids that a row wrote earlier (they count for the repetition
    penalty). `on_step` is told after each step how many rows are still running.
    Raises ValueError for a `max_new_tokens` below 1.
    """
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; it has to be 1 or more")
    rows = list(range(len(prompts.mask)))
    written: list[list[int]] = [[] for _ in rows]
    ended: list[Literal["stop", "length"]] = ["length"] * len(rows)
    sampler = Sampler(settings, streams, histories or [[] for _ in rows])
    stream = Stream(backbone, prompts)
    while True:
        tokens = sampler.choose(backbone.logits(stream.hidden))
        running = []  # indices into `rows`
        for index, (row, token) in enumerate(zip(rows, tokens.tolist(), strict=True)):
            if token in stop_ids:
                ended[row] = "stop"
                continue
            written[row].append(token)
            if len(written[row]) < max_new_tokens:
                running.append(index)
        if on_step:
            on_step(len(running))
        if not running:
            return [Generated(tuple(ids), why) for ids, why in zip(written, ended, strict=True)]
        if len(running) < len(rows):
            stream.keep(running)
            sampler.keep(running)
            tokens, rows = tokens[running], [rows[index] for index in running]
        stream.step(backbone.embed(tokens))

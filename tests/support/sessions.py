"""Sessions in one call: prompts in, thoughts or texts out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from recursivemas.engine import Generated, LocalEngine, Prompt, SamplingSettings, WriteRequest, random_stream

GREEDY = SamplingSettings(greedy=True).resolve(None)


def write(
    engine: LocalEngine,
    prompts: Sequence[Prompt],
    *,
    max_new_tokens: int,
    stop_ids: Collection[int] = (),
    sampling: SamplingSettings = GREEDY,
    names: Sequence[object] | None = None,
    **options,
) -> list[Generated]:
    """What is written after each prompt, in their order; a row's random numbers are those of its name."""
    requests = [
        WriteRequest(row=row, stream=random_stream(42, str(name)), max_new_tokens=max_new_tokens)
        for row, name in enumerate(names if names is not None else range(len(prompts)))
    ]
    session = engine.open(prompts)
    written = dict(session.write(requests, sampling=sampling, stop_ids=stop_ids, **options))
    return [written[row] for row in range(len(prompts))]

"""A step needs nothing of the host: it runs where tensors have no values, and the host could learn none."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from recursivemas.engine import SamplingSettings
from recursivemas.engine.row_cache import LayerRow, RowCache
from recursivemas.engine.static_pool import as_it_is
from recursivemas.engine.static_rows import Choosing, StaticRows
from recursivemas.engine.stream import PromptBatch, Stream
from tests.support.backbones import BACKBONES, tiny_backbone, tiny_inner_link

META = torch.device("meta")
FILTERED = SamplingSettings(top_k=20, min_p=0.05, repetition_penalty=1.2).resolve(None)


class OnlyThere(TorchDispatchMode):
    """Refuses a tensor that is elsewhere."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves((args, kwargs, result)):
            if isinstance(value, torch.Tensor) and value.device != META:
                raise AssertionError(f"{func} has a tensor on {value.device}")
        return result


@pytest.fixture(params=BACKBONES)
def stream(request):
    """Two rows of different lengths that have been read."""
    backbone = tiny_backbone(request.param, torch.float32)
    with torch.no_grad():
        yield Stream(backbone, PromptBatch.left_pad([backbone.embed(range(3, 9)), backbone.embed([3, 4])]))


def moved(row: RowCache) -> RowCache:
    layers = [
        LayerRow(
            tuple(tensor.to(META) for tensor in layer.pair),
            layer.window,
            tuple({number: state.to(META) for number, state in some.items()} for some in layer.states),
        )
        for layer in row.layers
    ]
    return RowCache(row.length, tuple(layers), row.hidden.to(META))


def test_latent_and_text_steps_run_without_values(stream):
    backbone, link = stream.backbone, tiny_inner_link(stream.backbone).to(META)
    rows = [moved(stream.cut(row, length)) for row, length in enumerate(stream.lengths)]
    backbone.model.to(META)
    static = StaticRows(backbone, rows[0], 2, 16, as_it_is)
    for place, row in enumerate(rows):
        static.put(place, row, left=9, said=[5])
    with OnlyThere():
        thoughts, hidden = static.think(link)
        for sampling in (FILTERED, SamplingSettings(greedy=True).resolve(None)):
            choosing = Choosing(sampling, frozenset({2, 3}))
            report = static.choose(choosing, 3, torch.zeros(3, 2, dtype=torch.float64, device=META))
            static.feed()
    assert thoughts.shape == hidden.shape == (2, backbone.hidden_size)
    assert report.shape == (4, 2)


def test_steps_on_a_cache_that_grows_ask_the_device(stream):
    """So the test above would see it."""
    stream.backbone.model.to(META)
    for layer in stream._cache.layers:
        for name in ("keys", "values"):
            if hasattr(layer, name):
                setattr(layer, name, getattr(layer, name).to(META))
    for name in ("hidden", "_mask", "_next_position"):
        setattr(stream, name, getattr(stream, name).to(META))
    with pytest.raises(RuntimeError, match="meta"):
        stream.step(stream.hidden)

"""A layer with room behind what it holds, beside transformers' own, which copies all at every step."""

from __future__ import annotations

from weakref import ref

import pytest
import torch
from transformers.cache_utils import DynamicLayer

from recursivemas.engine.caches import pad_left
from recursivemas.engine.growing_cache import ROOM, GrowingLayer


def states(length, rows=3):
    return tuple(torch.randn(rows, 2, length, 4) for _ in range(2))


def cut(layer):
    layer.keys, layer.values = layer.keys[:, :, 2:], layer.values[:, :, 2:]


def reorder(layer):
    layer.reorder_cache(torch.tensor([2, 0]))


def join(layer):
    longer = layer.keys.shape[2] + 3
    layer.keys, layer.values = (
        torch.cat([pad_left(held, longer, dim=2), torch.ones(1, 2, longer, 4)])
        for held in (layer.keys, layer.values)
    )


def crop(layer):
    layer.crop(-3)


@pytest.mark.parametrize("change", [cut, reorder, join, crop])
@torch.no_grad()
def test_it_holds_what_transformers_layer_holds(change):
    layers = GrowingLayer(), DynamicLayer()

    def append(*pair):
        ours, theirs = (layer.update(*pair) for layer in layers)
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
        assert layers[0].get_seq_length() == layers[1].get_seq_length()

    append(*states(5))
    for _ in range(ROOM + 3):
        append(*states(1))
    for layer in layers:
        change(layer)
    rows = len(layers[0].keys)
    append(*states(1, rows))
    append(*states(4, rows))
    for _ in range(3):
        append(*states(1, rows))


@pytest.mark.parametrize("change", [reorder, join])
@torch.no_grad()
def test_the_larger_tensors_are_gone_once_what_is_held_was_replaced(change):
    layer = GrowingLayer()
    layer.update(*states(5))
    rooms = [ref(held._base) for held in layer.update(*states(1))]
    assert [room().shape[2] for room in rooms] == [5 + ROOM, 5 + ROOM]
    change(layer)
    assert [room() for room in rooms] == [None, None]


@torch.no_grad()
def test_steps_are_written_behind_what_is_there_and_copy_it_once_in_a_while():
    layer = GrowingLayer()
    layer.update(*states(5))
    places = []
    for _ in range(2 * ROOM):
        keys, values = layer.update(*states(1))
        places.append((keys.data_ptr(), values.data_ptr()))
    assert [len(set(places[:ROOM])), len(set(places))] == [1, 2]


@torch.no_grad()
def test_what_was_handed_out_stays_as_it_was():
    layer = GrowingLayer()
    layer.update(*states(5))
    keys, _ = layer.update(*states(1))
    before = keys.clone()
    layer.update(*states(1))
    layer.crop(-2)
    layer.update(*states(1))
    assert torch.equal(keys, before)


def test_gradients_go_through_what_was_appended():
    layer = GrowingLayer()
    layer.update(*states(5))
    keys = [torch.randn(3, 2, 1, 4, requires_grad=True) for _ in range(3)]
    total = sum(layer.update(key, key)[0].square().sum() for key in keys)
    total.backward()
    for number, key in enumerate(keys):
        assert torch.allclose(key.grad, 2 * (3 - number) * key)

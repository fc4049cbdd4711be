"""What is told of a message, against loops that do the same a pair at a time."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from recursivemas.report.page.figures import MAX_COMPARED, message_figures


def cosine(a, b) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


@pytest.fixture
def messages():
    return np.random.default_rng(0).normal(size=(2, 5, 7))


def test_figures_are_those_of_each_pair_of_steps(messages):
    before, message = messages
    figures = message_figures(message, before)
    assert figures["norms"] == pytest.approx([math.hypot(*latent) for latent in message], rel=1e-3)
    assert figures["before"] == [round(1000 * cosine(a, b)) for a, b in zip(message, before, strict=True)]
    assert figures["compared"] == [0, 1, 2, 3, 4]
    assert figures["similarity"] == [
        round(1000 * cosine(message[a], message[b])) for a in range(5) for b in range(a + 1, 5)
    ]


@pytest.mark.parametrize("overflow", [math.inf, -math.inf, math.nan])
def test_a_latent_with_an_overflow_in_it_has_neither_norm_nor_cosine(messages, overflow):
    before, message = messages
    message[2, 3] = overflow
    figures = message_figures(message, before)
    assert [norm is None for norm in figures["norms"]] == [False, False, True, False, False]
    assert figures["before"][2] is None
    assert figures["similarity"].count(None) == 4
    json.dumps(figures, allow_nan=False)


def test_a_latent_of_zeros_has_no_cosine(messages):
    before, message = messages
    message[2] = 0
    figures = message_figures(message, before)
    assert figures["norms"][2] == 0
    assert figures["before"][2] is None
    assert figures["similarity"].count(None) == 4
    assert message_figures(before, message)["before"][2] is None


def test_there_may_be_nothing_to_compare_with(messages):
    before, message = messages
    assert message_figures(message)["before"] is None
    assert message_figures(message, before[:4])["before"] is None
    empty = message_figures(message[:0], before[:0])
    assert empty == {"norms": [], "before": [], "compared": [], "similarity": []}


def test_of_a_long_message_some_steps_are_held_against_each_other():
    message = np.random.default_rng(0).normal(size=(2 * MAX_COMPARED + 1, 3))
    figures = message_figures(message)
    assert len(figures["norms"]) == len(message)
    assert figures["compared"] == list(range(0, len(message), 3))
    assert figures["similarity"][0] == round(1000 * cosine(message[0], message[3]))

"""Sampling: settings, the row's own random numbers, and the distribution that tokens are drawn from."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from recursivemas.engine import SamplingSettings, random_stream
from recursivemas.engine.sampling import NO_TOKEN, Sampler

VOCAB_SIZE = 12


class Fixed:
    """A stream that always gives the same number."""

    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


def draw(settings: SamplingSettings, logits: torch.Tensor, numbers, histories=None) -> list[int]:
    """One token a number, all from the same logits [V]."""
    streams = [Fixed(number) for number in numbers]
    sampler = Sampler(settings.resolve(None), streams, histories or [[] for _ in numbers])
    return sampler.choose(logits.expand(len(numbers), -1)).tolist()


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(VOCAB_SIZE, generator=torch.Generator().manual_seed(0)) * 3


def test_tokens_come_with_the_probabilities_of_transformers_filters(logits):
    settings = SamplingSettings(temperature=0.8, top_k=8, top_p=0.9, min_p=0.02, repetition_penalty=1.4)
    history = [3, 5, 5]
    filters = LogitsProcessorList(
        [
            RepetitionPenaltyLogitsProcessor(1.4),
            TemperatureLogitsWarper(0.8),
            TopKLogitsWarper(8),
            TopPLogitsWarper(0.9),
            MinPLogitsWarper(0.02),
        ]
    )
    expected = filters(torch.tensor([history]), logits[None])[0].softmax(dim=-1)
    numbers = [(index + 0.5) / 20000 for index in range(20000)]
    counts = Counter(draw(settings, logits, numbers, [history] * len(numbers)))
    measured = torch.tensor([counts[token] / len(numbers) for token in range(VOCAB_SIZE)])
    torch.testing.assert_close(measured, expected, rtol=0, atol=1e-4)


def test_greedy_takes_the_likeliest_after_the_penalty(logits):
    best, second = logits.topk(2).indices.tolist()
    settings = SamplingSettings(greedy=True, repetition_penalty=50.0)
    assert draw(SamplingSettings(greedy=True), logits, [0.99]) == [best]
    assert draw(settings, logits, [0.99], [[best]]) == [second]


def test_the_ends_of_the_unit_interval_never_give_a_filtered_token(logits):
    allowed = set(logits.topk(3).indices.tolist())
    tokens = draw(SamplingSettings(top_k=3, top_p=1.0), logits, [0.0, 1e-300, 0.5, 1 - 2**-53, 1.0])
    assert set(tokens) <= allowed
    assert tokens[0] == min(allowed)
    assert tokens[-1] == max(allowed)


@pytest.mark.parametrize(
    "settings", [SamplingSettings(greedy=True), SamplingSettings(), SamplingSettings(min_p=0.1)]
)
def test_a_row_without_numbers_gets_no_token_and_others_get_theirs(logits, settings):
    sampler = Sampler(settings.resolve(None), [Fixed(0.4)] * 6, [[]] * 6)
    rows = logits.repeat(6, 1)
    rows[1, 3], rows[2, 0], rows[3], rows[4, 5] = math.nan, math.inf, -math.inf, -math.inf
    likeliest = sampler.choose(rows).tolist()
    assert likeliest[1:4] == [NO_TOKEN] * 3
    assert likeliest[0] == likeliest[5] >= 0
    assert likeliest[4] not in (NO_TOKEN, 5), "-inf rules one token out"


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-45, 1e-320])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_smallest_temperatures_take_the_likeliest_token(logits, temperature, dtype):
    settings = SamplingSettings(temperature=temperature, top_k=0)
    drawn = draw(settings, (logits * 1e3).to(dtype), [0.0, 0.3, 0.9999])
    assert drawn == [int(logits.argmax())] * 3


def test_what_was_said_counts_from_the_first_token(logits):
    settings = SamplingSettings(greedy=True, repetition_penalty=50.0).resolve(None)
    likeliest, second = logits.topk(2).indices.tolist()
    sampler = Sampler(settings, [Fixed(0.0)] * 2, [[], [likeliest]])
    assert sampler.choose(logits.expand(2, -1)).tolist() == [likeliest, second]
    assert sampler.choose(logits.expand(2, -1))[0] == second


def test_a_stream_depends_on_seed_and_question_alone():
    def numbers(*key):
        stream = random_stream(*key)
        return [stream.random() for _ in range(3)]

    assert numbers(42, "q") == numbers(42, "q")
    assert len({tuple(numbers(*key)) for key in ((42, "q"), (43, "q"), (42, "r"), (4, "2q"))}) == 4


def test_what_is_not_given_comes_from_the_model_then_from_transformers():
    model = GenerationConfig(top_k=20, repetition_penalty=1.05, temperature=0.1)
    resolved = SamplingSettings(min_p=0.1).resolve(model)
    assert (resolved.top_k, resolved.min_p) == (20, 0.1)
    assert (resolved.temperature, resolved.repetition_penalty) == (0.6, 1.0), (
        "passed explicitly, as published"
    )
    assert SamplingSettings(top_k=-1).resolve(model).top_k == 20
    assert SamplingSettings(top_k=0).resolve(model).top_k == 0
    bare = SamplingSettings().resolve(GenerationConfig())
    assert (bare.top_k, bare.repetition_penalty, bare.min_p) == (50, 1.0, 0.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.0),
        ("temperature", math.inf),
        ("temperature", math.nan),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_k", -2),
        ("min_p", -0.1),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", math.inf),
    ],
)
def test_a_value_out_of_range_is_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} is {value}; it has to be"):
        SamplingSettings(**{field: value})

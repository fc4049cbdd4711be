"""How sure a figure is: 95% intervals, and tests of two runs on the same questions.

Plain numbers in and out, and the same ones every time: what is drawn at random has a fixed seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

NUM_RESAMPLES = 10_000
SEED = 0

Interval = tuple[float, float]


def wilson_interval(num_hits: int, number: int) -> Interval:
    """Wilson's 95% score interval of a proportion (Wilson 1927); within [0, 1], never of width zero.

    Raises ValueError unless 0 <= num_hits <= number and number >= 1.
    """
    from scipy.stats import binomtest  # takes most of a second, and many commands need no interval

    if not 0 <= num_hits <= number or number < 1:
        raise ValueError(f"{num_hits} of {number} is no proportion")
    interval = binomtest(num_hits, number).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap_interval(values: Sequence[float]) -> Interval:
    """The percentile bootstrap's 95% interval of the mean of values drawn independently of each other.

    Raises ValueError without values.
    """
    if not len(values):
        raise ValueError("there is no mean of no values")
    levels, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    number = int(counts.sum())
    # To draw n values with replacement is to draw how often each level occurs.
    draws = np.random.default_rng(SEED).multinomial(number, counts / number, size=NUM_RESAMPLES)
    low, high = np.percentile(draws @ levels / number, [2.5, 97.5])
    return float(low), float(high)


def share_interval(shares: Sequence[float]) -> Interval:
    """The 95% interval of the mean of questions' shares, each from 0 to 1.

    Wilson's where every question is right or wrong as a whole, else the bootstrap over questions: several
    answers to one question are not independent of each other. Raises ValueError without shares.
    """
    if _all_or_none(shares):
        return wilson_interval(round(sum(shares)), len(shares))
    return bootstrap_interval(shares)


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """What a run gains over another on the same questions: the difference of their mean shares.

    `interval_95` is Newcombe's paired score interval (1998, method 10) and `p_value` McNemar's exact test,
    two-sided, where every question is right or wrong as a whole; else the bootstrap over questions and the
    sign-flip test. `test` names the test. `only_first` and `only_second` count the questions on which one did
    better than the other.
    """

    value: float
    interval_95: Interval
    p_value: float
    test: str
    only_first: int
    only_second: int


def paired_difference(first: Sequence[float], second: Sequence[float]) -> PairedDifference:
    """The second's mean share less the first's; place i in both is the same question.

    Raises ValueError for no shares, and for a different number of them.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"{len(first)} and {len(second)} shares are no pairs")
    gains = [b - a for a, b in zip(first, second, strict=True)]
    only_first, only_second = sum(gain < 0 for gain in gains), sum(gain > 0 for gain in gains)
    if _all_or_none([*first, *second]):
        test, p_value = "McNemar, exact", mcnemar_p_value(only_first, only_second)
        both = sum(a == b == 1 for a, b in zip(first, second, strict=True))
        neither = len(first) - both - only_first - only_second
        interval = newcombe_interval(both, only_first, only_second, neither)
    else:
        test, p_value = "sign flips", sign_flip_p_value(gains)
        interval = bootstrap_interval(gains)
    return PairedDifference(
        value=sum(gains) / len(gains),
        interval_95=interval,
        p_value=p_value,
        test=test,
        only_first=only_first,
        only_second=only_second,
    )


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """McNemar's exact test: could as many of the questions that only one got right be due to chance?

    The two-sided binomial test of one count among both, at one half; 1 where none tells the runs apart.
    """
    from scipy.stats import binomtest

    number = only_first + only_second
    return float(binomtest(only_first, number).pvalue) if number else 1.0


def newcombe_interval(both: int, only_first: int, only_second: int, neither: int) -> Interval:
    """Newcombe's 95% interval of the second proportion less the first, for paired counts.

    Source: Newcombe 1998, Statistics in Medicine 17, 2635-2650, method 10 (Wilson's intervals of both, and
    their correlation with a continuity correction).
    """
    number = both + only_first + only_second + neither
    hits_first, hits_second = both + only_first, both + only_second
    first, second = hits_first / number, hits_second / number
    low_first, high_first = wilson_interval(hits_first, number)
    low_second, high_second = wilson_interval(hits_second, number)
    product = hits_first * (number - hits_first) * hits_second * (number - hits_second)
    cross = both * neither - only_first * only_second
    corrected = max(cross - number / 2, 0) if cross > 0 else cross
    correlation = corrected / sqrt(product) if product else 0.0
    down = _correlated_length(second - low_second, high_first - first, correlation)
    up = _correlated_length(high_second - second, first - low_first, correlation)
    return second - first - down, second - first + up


def sign_flip_p_value(gains: Sequence[float]) -> float:
    """The two-sided test that each question's gain could as well have had the other sign (seeded draws)."""
    sizes, counts = np.unique(np.abs(np.asarray(gains, dtype=np.float64)), return_counts=True)
    # Of `count` gains of one size, a binomial number keep a plus.
    pluses = np.random.default_rng(SEED).binomial(counts, 0.5, size=(NUM_RESAMPLES, len(counts)))
    sums = np.abs((2 * pluses - counts) @ sizes)
    num_extreme = int((sums >= abs(sum(gains)) - 1e-9).sum())
    return (1 + num_extreme) / (1 + NUM_RESAMPLES)


def _all_or_none(shares: Sequence[float]) -> bool:
    return all(share in (0, 1) for share in shares)


def _correlated_length(one: float, other: float, correlation: float) -> float:
    return sqrt(max(one**2 - 2 * correlation * one * other + other**2, 0.0))

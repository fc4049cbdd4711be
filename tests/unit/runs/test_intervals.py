"""Intervals and tests against published examples, scipy, and counting everything out."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from scipy import stats

from recursivemas.runs.intervals import (
    bootstrap_interval,
    mcnemar_p_value,
    newcombe_interval,
    paired_difference,
    share_interval,
    sign_flip_p_value,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("hits", "number", "published"),
    [
        # Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilsons_interval_is_the_published_one(hits, number, published):
    low, high = wilson_interval(hits, number)
    assert (low, high) == pytest.approx(published, abs=5e-5)
    assert wilson_interval(number - hits, number) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize("number", [1, 3, 32, 500])
def test_wilsons_interval_ends_where_a_proportion_does(number):
    assert wilson_interval(0, number)[0] == 0.0
    assert wilson_interval(number, number)[1] == 1.0


@pytest.mark.parametrize(("hits", "number"), [(-1, 3), (4, 3), (0, 0)])
def test_what_is_no_proportion_has_no_interval(hits, number):
    with pytest.raises(ValueError, match="is no proportion"):
        wilson_interval(hits, number)


def test_the_bootstrap_is_scipys_but_for_the_draws():
    values = np.random.default_rng(1).choice([0.0, 0.25, 0.5, 1.0], 60)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(2)
    ).confidence_interval
    assert bootstrap_interval(values) == pytest.approx((expected.low, expected.high), abs=0.01)
    assert bootstrap_interval(values) == bootstrap_interval(values[::-1])
    with pytest.raises(ValueError, match="no mean of no values"):
        bootstrap_interval([])


def test_questions_right_or_wrong_as_a_whole_get_wilsons_interval():
    assert share_interval([1, 0.0, True, 0]) == wilson_interval(2, 4)
    assert share_interval([0.0] * 10) == wilson_interval(0, 10)  # a bootstrap would claim to be sure
    assert share_interval([0.5, 0, 1, 0]) == bootstrap_interval([0.5, 0, 1, 0])


@pytest.mark.parametrize(
    ("first", "second", "published"),
    [
        # Fagerland et al. 2013, BMC Medical Research Methodology 13:91: Bentur et al. 2009, Cavo et al. 2012
        (1, 7, 0.0703),
        (6, 16, 0.0525),
        (0, 0, 1.0),
        (4, 4, 1.0),
    ],
)
def test_mcnemars_exact_test_is_the_published_one(first, second, published):
    assert mcnemar_p_value(first, second) == pytest.approx(published, abs=5e-5)
    assert mcnemar_p_value(first, second) == pytest.approx(mcnemar_p_value(second, first), rel=1e-12)


@pytest.mark.parametrize(
    ("counts", "published"),
    [
        # Both, first only, second only, neither; the limits are of first less second.
        ((36, 12, 2, 0), (0.0569, 0.3404)),  # Newcombe 1998
        ((14, 5, 0, 22), (0.0115, 0.2265)),  # Altman et al. 2000, table 6.2
        ((1, 1, 7, 12), (-0.507, -0.026)),  # Bentur et al. 2009, in Fagerland et al. 2017
    ],
)
def test_newcombes_interval_is_the_published_one(counts, published):
    both, first, second, neither = counts
    assert newcombe_interval(both, second, first, neither) == pytest.approx(published, abs=5e-4)
    low, high = newcombe_interval(both, first, second, neither)
    assert (-high, -low) == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize("shares", [(0.5, 0.1, 0.2, 0.2), (0.3, 0.3, 0.1, 0.3), (0.8, 0.02, 0.08, 0.1)])
def test_newcombes_interval_covers_the_true_difference_as_often_as_it_says(shares):
    number, true = 25, shares[2] - shares[1]
    coverage = 0.0
    for both, first, second in product(range(number + 1), repeat=3):
        neither = number - both - first - second
        if neither < 0:
            continue
        low, high = newcombe_interval(both, first, second, neither)
        ways = comb(number, both) * comb(number - both, first) * comb(number - both - first, second)
        counts = (both, first, second, neither)
        coverage += (low <= true <= high) * ways * np.prod(np.power(shares, counts))
    assert 0.93 < coverage < 0.997  # it errs on the wide side where few questions differ


def test_sign_flips_count_what_all_signs_would_give():
    gains = [0.5, 0.25, -0.25, 0.75, 1.0, 0.0, 0.25, -0.5, 0.5]
    sums = [abs(sum(np.multiply(signs, gains))) for signs in product((-1, 1), repeat=len(gains))]
    exact = np.mean([total >= abs(sum(gains)) - 1e-9 for total in sums])
    assert sign_flip_p_value(gains) == pytest.approx(exact, abs=0.015)
    assert sign_flip_p_value([0.0, 0.0]) == 1.0


def test_pairs_that_are_right_or_wrong():
    first = [1, 1, 1, 0, 0, 0, 0, 1]
    second = [1, 1, 0, 1, 1, 1, 0, 1]
    found = paired_difference(first, second)
    assert (found.value, found.only_first, found.only_second) == (0.25, 1, 3)
    assert found.interval_95 == newcombe_interval(3, 1, 3, 1)
    assert (found.test, found.p_value) == ("McNemar, exact", mcnemar_p_value(1, 3))


def test_pairs_with_several_answers():
    first, second = [0.5, 0.0, 1.0, 0.25], [0.75, 0.5, 1.0, 0.0]
    found = paired_difference(first, second)
    gains = [0.25, 0.5, 0.0, -0.25]
    assert (found.value, found.only_first, found.only_second) == (0.125, 1, 2)
    assert found.interval_95 == bootstrap_interval(gains)
    assert (found.test, found.p_value) == ("sign flips", sign_flip_p_value(gains))


def test_both_tests_agree_where_both_apply():
    gains = [1] * 14 + [-1] * 5 + [0] * 40
    assert sign_flip_p_value(gains) == pytest.approx(mcnemar_p_value(5, 14), abs=0.015)


@pytest.mark.parametrize(("first", "second"), [([1], [1, 0]), ([], [])])
def test_pairs_need_as_many_on_both_sides(first, second):
    with pytest.raises(ValueError, match="are no pairs"):
        paired_difference(first, second)

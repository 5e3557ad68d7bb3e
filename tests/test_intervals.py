"""Intervals of one proportion and of a mean, paired counts and Holm's correction, against independent formulas."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from biorobust.statistics import Counts, holm, mean_interval, paired_counts, wilson


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (873, 1000)])
def test_wilson_is_scipys(k, n):
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(-1, 10), (11, 10), (0, 0)])
def test_wilson_refuses_impossible_counts(k, n):
    with pytest.raises(ValueError, match="need 0 <= k <= n"):
        wilson(k, n)


def test_mean_interval_is_the_t_interval():
    values = [0.26, 0.28, 0.27]
    mean, sd, half_width = mean_interval(values)
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert (mean, sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert half_width == pytest.approx((high - low) / 2)


def test_mean_of_one_value_has_no_interval():
    assert mean_interval([0.5]) == (0.5, None, None)
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])


def test_paired_counts_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    a, b = rng.random(500) < 0.7, rng.random(500) < 0.4
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    counts = paired_counts(a, b)
    assert counts == Counts(*(pairs.count(cell) for cell in product((True, False), repeat=2)))
    assert counts.n == 500
    assert counts.difference == pytest.approx(a.mean() - b.mean())
    assert paired_counts(b, a) == counts.swapped()


@pytest.mark.parametrize(("n_a", "n_b", "kind"), [(3, 4, bool), (0, 0, bool), (3, 3, int)])
def test_paired_counts_refuse_what_is_not_aligned(n_a, n_b, kind):
    with pytest.raises(ValueError, match="need"):
        paired_counts(np.ones(n_a, kind), np.ones(n_b, bool))


def test_holm_gives_a_worked_example_in_the_order_given():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []

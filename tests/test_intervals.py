"""Intervals of one proportion and of a mean, paired counts and Holm's correction, against independent formulas."""

import numpy as np
import pytest
from scipy import stats

from biorobust.statistics import Counts, holm, mean_interval, paired_counts, wilson


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (1, 10), (873, 1000), (2609, 10000), (0, 1000)])
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
    cells = [sum(1 for x, y in zip(a, b, strict=True) if (x, y) == cell) for cell in
             [(True, True), (True, False), (False, True), (False, False)]]  # fmt: skip
    counts = paired_counts(a, b)
    assert counts == Counts(*cells)
    assert counts.n == 500
    assert counts.difference == pytest.approx(a.mean() - b.mean())
    assert paired_counts(b, a) == counts.swapped()


@pytest.mark.parametrize(
    ("a", "b"),
    [(np.ones(3, bool), np.ones(4, bool)), (np.ones(0, bool), np.ones(0, bool)), (np.ones(3, int), np.ones(3, bool))],
)
def test_paired_counts_refuse_what_is_not_aligned(a, b):
    with pytest.raises(ValueError, match="need"):
        paired_counts(a, b)


def test_holm_gives_a_worked_example_in_the_order_given():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []

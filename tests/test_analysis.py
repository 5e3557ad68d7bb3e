"""Intervals and paired tests against independent formulas, simulation and published examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from biorobust.analysis import (
    Counts,
    combine,
    difference_interval,
    holm,
    mcnemar,
    mean_interval,
    paired_counts,
    paired_interval,
    wilson,
)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (1, 10), (873, 1000), (2609, 10000), (0, 1000)])
def test_wilson_is_scipys(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_stays_in_the_unit_interval() -> None:
    assert wilson(0, 7)[0] == 0.0
    assert wilson(7, 7)[1] == 1.0


@pytest.mark.parametrize(("k", "n"), [(-1, 10), (11, 10), (0, 0)])
def test_wilson_refuses_impossible_counts(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="need 0 <= k <= n"):
        wilson(k, n)


def test_mean_interval_is_the_t_interval() -> None:
    values = [0.26, 0.28, 0.27]
    mean, sd, half_width = mean_interval(values)
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert (mean, sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert half_width == pytest.approx((high - low) / 2)


def test_mean_of_one_value_has_no_interval() -> None:
    assert mean_interval([0.5]) == (0.5, None, None)
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])


def test_difference_interval_gives_newcombes_example() -> None:
    # Newcombe (1998), Stat. Med. 17:873, table II, example (a), method 10.
    assert difference_interval(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_difference_interval_changes_sign_with_the_order() -> None:
    low, high = difference_interval(9664, 10000, 9782, 10000)
    assert difference_interval(9782, 10000, 9664, 10000) == pytest.approx((-high, -low))


def test_paired_counts_are_those_of_a_loop() -> None:
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
def test_paired_counts_refuse_what_is_not_aligned(a: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(ValueError, match="need"):
        paired_counts(a, b)


def test_paired_interval_is_near_the_bootstrap_for_many_images() -> None:
    counts = Counts(both=5200, only_a=1900, only_b=900, neither=2000)
    rng = np.random.default_rng(0)
    draws = rng.multinomial(counts.n, np.array([5200, 1900, 900, 2000]) / counts.n, size=40_000)
    expected = np.quantile((draws[:, 1] - draws[:, 2]) / counts.n, [0.025, 0.975])
    assert paired_interval(counts) == pytest.approx(tuple(expected), abs=6e-4)


def test_paired_interval_is_near_agresti_and_min() -> None:
    counts = Counts(both=300, only_a=60, only_b=35, neither=105)
    # Agresti & Min (2005): Wald's interval after adding 0.5 to every cell.
    n, b, c = counts.n + 2, counts.only_a + 0.5, counts.only_b + 0.5
    centre, spread = (b - c) / n, 1.959964 * math.sqrt(b + c - (b - c) ** 2 / n) / n
    assert paired_interval(counts) == pytest.approx((centre - spread, centre + spread), abs=3e-3)


def test_paired_interval_covers_the_true_difference() -> None:
    rng = np.random.default_rng(1)
    truth = [0.55, 0.25, 0.05, 0.15]
    draws = rng.multinomial(60, truth, size=2000)
    intervals = [paired_interval(Counts(*map(int, draw))) for draw in draws]
    covered = np.mean([low <= truth[1] - truth[2] <= high for low, high in intervals])
    assert 0.935 < covered < 0.985


def test_paired_interval_of_equal_networks_holds_zero_and_has_a_width() -> None:
    low, high = paired_interval(Counts(both=50, only_a=0, only_b=0, neither=0))
    assert low < 0 < high
    low, high = paired_interval(Counts(both=25, only_a=0, only_b=0, neither=25))
    assert low <= 0 <= high


@pytest.mark.parametrize("counts", [Counts(10, 8, 2, 4), Counts(0, 3, 3, 0), Counts(5, 0, 12, 1)])
def test_mcnemar_is_the_binomial_sum(counts: Counts) -> None:
    n, k = counts.only_a + counts.only_b, min(counts.only_a, counts.only_b)
    tail = sum(math.comb(n, i) for i in range(k + 1)) / 2**n
    assert mcnemar(counts) == pytest.approx(min(1.0, 2 * tail))


def test_mcnemar_without_disagreement_is_one() -> None:
    assert mcnemar(Counts(9, 0, 0, 1)) == 1.0


def test_one_seed_has_its_image_interval() -> None:
    counts = Counts(600, 150, 90, 160)
    found = combine([counts])
    assert (found.low, found.high) == paired_interval(counts)
    assert (found.p, found.n_images, found.n_seeds) == (mcnemar(counts), 1000, 1)


def test_seeds_that_scatter_widen_the_interval_and_equal_seeds_do_not_narrow_it() -> None:
    counts = Counts(600, 150, 90, 160)
    equal = combine([counts] * 5)
    assert (equal.low, equal.high) == pytest.approx(paired_interval(counts))
    others = [Counts(600, 190, 50, 160), Counts(600, 120, 120, 160)]
    scattered = combine([counts, *others])
    seeds = mean_interval([c.difference for c in (counts, *others)])
    assert scattered.low == pytest.approx(seeds.mean - seeds.half_width)
    assert scattered.low < 0 < scattered.high


def test_combined_p_is_small_only_if_every_seed_shows_the_difference() -> None:
    clear, equal = Counts(600, 150, 50, 200), Counts(600, 100, 100, 200)
    assert combine([clear] * 3).p < 1e-6
    assert combine([clear, clear, equal]).p == mcnemar(equal)


def test_combine_refuses_other_images() -> None:
    with pytest.raises(ValueError, match="different numbers"):
        combine([Counts(1, 1, 1, 1), Counts(2, 1, 1, 1)])
    with pytest.raises(ValueError, match="at least one"):
        combine([])


def test_holm_gives_a_worked_example_in_the_order_given() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []

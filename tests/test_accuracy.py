"""Intervals over networks and images: coverage by simulation, and borders against independent formulas."""

import math
from itertools import product
from unittest.mock import patch

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit
from simulated_networks import population, setting, trainings

from biorobust.statistics import (
    Accuracy,
    Counts,
    difference,
    error_ratio,
    interval,
    paired_counts,
    pooled,
    wilson,
)
from biorobust.statistics import accuracy as module

# --- coverage ---

ACCURACIES = (0.5, 0.99, 0.04)
SCATTERS = (0.0, 0.01, 0.03)  # standard deviation of the accuracy over networks
TRAININGS = (3, 10)
IMAGES = 1000
DIFFICULTY = 2.0
SHIFT = 0.2  # by how many logits the second setting is worse
WANTED = (0.93, 0.99)
N_DRAWS = 100


@pytest.fixture(scope="module")
def covered():
    """For each cell of the grid (accuracy, scatter, trainings): did the intervals hold the truth?

    Few trainings are parts of the draws of many. The p of a difference, which takes most of the time, is left out.
    """
    rng = np.random.default_rng(20_260_101)
    found = {}
    for accuracy, scatter in product(ACCURACIES, SCATTERS):
        other = float(expit(logit(accuracy) - SHIFT))
        # A network with an accuracy of .99 cannot scatter by more than half its error.
        a, b = (
            population(mean, scatter=min(scatter, (1 - mean) / 2), difficulty=DIFFICULTY) for mean in (accuracy, other)
        )
        for _ in range(N_DRAWS):
            images = DIFFICULTY * rng.standard_normal(IMAGES)
            of_a, of_b = (trainings(rng, images, max(TRAININGS), *settings) for settings in (a, b))
            for n_seeds in TRAININGS:
                right = of_a[:n_seeds], of_b[:n_seeds]
                both, counts = ([setting(of, outcomes=kept) for of in right] for kept in (True, False))
                tables = list(map(paired_counts, *right))
                with patch.object(module, "_p"):
                    ends = {
                        "interval": (accuracy, interval(both[0])),
                        "interval of counts": (accuracy, interval(counts[0])),
                        "difference": (accuracy - other, difference(*both)[1:3]),
                        "difference of counts": (accuracy - other, difference(*counts)[1:3]),
                        "difference of paired counts": (accuracy - other, difference(*counts, tables=tables)[1:3]),
                    }
                cell = found.setdefault((accuracy, scatter, n_seeds), {})
                for name, (truth, (low, high)) in ends.items():
                    cell.setdefault(name, []).append(low <= truth <= high)
    return found


def share(cells, name):
    """Coverage, and three standard errors of one of 93 %."""
    hits = [hit for cell in cells for hit in cell[name]]
    return float(np.mean(hits)), 3 * math.sqrt(WANTED[0] * (1 - WANTED[0]) / len(hits))


@pytest.mark.parametrize("name", ["interval", "difference"])
def test_intervals_with_outcomes_cover_93_to_99_percent(covered, name):
    for cell, hits in covered.items():
        found, error = share([hits], name)
        assert WANTED[0] - error <= found <= WANTED[1] + error, (cell, found)
    # With fewer draws in a cell than tell 93 from 90 %: the same of all cells that share a level of a factor.
    for factor, level in {pair for cell in covered for pair in enumerate(cell)}:
        found, _ = share((hits for cell, hits in covered.items() if cell[factor] == level), name)
        assert WANTED[0] <= found <= WANTED[1], (factor, level, found)


@pytest.mark.parametrize("name", ["interval of counts", "difference of counts", "difference of paired counts"])
def test_intervals_without_outcomes_are_on_the_careful_side(covered, name):
    for cell, hits in covered.items():
        found, error = share([hits], name)
        assert found >= WANTED[0] - error, (cell, found)
    assert share(covered.values(), name)[0] >= 0.97


# --- one training ---


@pytest.mark.parametrize(("k", "n"), [(0, 10), (2609, 10_000), (20_800, 20_800)])
def test_one_training_has_wilsons_interval(k, n):
    assert interval(Accuracy((k,), n)) == pytest.approx(wilson(k, n), abs=1e-12)
    right = np.arange(n) < k
    assert interval(Accuracy((k,), n, outcomes=right[None])) == pytest.approx(wilson(k, n), abs=1e-12)


def test_one_training_each_without_pairs_is_newcombes_unpaired_interval():
    # Newcombe (1998), Stat. Med. 17:873, table II, example (a), method 10.
    found = difference(Accuracy((56,), 70), Accuracy((48,), 80))
    assert found[1:3] == pytest.approx((0.0524, 0.3339), abs=5e-5)
    nothing = difference(Accuracy((0,), 30), Accuracy((3,), 40))
    (_, up), (low, high) = wilson(0, 30), wilson(3, 40)
    ends = -0.075 - (high - 0.075), -0.075 + math.hypot(up, 0.075 - low)
    assert nothing[1:3] == pytest.approx(ends, abs=1e-12)


def test_one_training_each_with_a_table_is_near_newcombes_paired_interval():
    # Complete response before and after consolidation therapy (Cavo et al. 2012): Newcombe's method 10 in Fagerland,
    # Lydersen & Laake, Statistical Analysis of Contingency Tables (2017), chapter 8. Its continuity correction, which
    # makes an interval a little wider, is left out here.
    table, published = Counts(59, 6, 16, 80), (-0.1186, -0.0046)
    a, b = (Accuracy((table.both + alone,), table.n) for alone in (table.only_a, table.only_b))
    found = difference(a, b, tables=[table])
    assert found[1:3] == pytest.approx(published, abs=0.002)
    assert published[0] < found.low < found.high < published[1]


# --- several trainings ---


@pytest.fixture
def two_settings():
    """Outcomes of two settings, (5, 4000) and (4, 4000), near .52 and .48, where Wilson's shape is that of a normal.

    What is hard for one of them is so for the other, but not quite as much.
    """
    rng = np.random.default_rng(7)
    shared, own = 1.5 * rng.standard_normal(4000), rng.standard_normal(4000)
    return trainings(rng, shared + own, 5, 0.15, 0.1), trainings(rng, shared - own, 4, -0.15, 0.07)


class Components:
    """Variances of two settings' means by a two-way analysis of variance with NumPy alone, in float64."""

    def __init__(self, a, b):
        self.mean, self.seeds, self.images = [], [], []
        self.df = [len(x) - 1 for x in (a, b)]
        for x in (a.astype(np.float64), b.astype(np.float64)):
            (s, n), rows, columns, mean = x.shape, x.mean(1), x.mean(0), x.mean()
            residual = ((x - rows[:, None] - columns + mean) ** 2).sum() / ((s - 1) * (n - 1))
            self.mean.append(mean)
            self.seeds.append(rows.var(ddof=1) / s)
            self.images.append((s * columns.var(ddof=1) - residual) / (s * n))
        self.covariance = np.cov(a.mean(0), b.mean(0))[0, 1] / a.shape[1]

    def reach(self, slope_a=1.0, slope_b=1.0, *, level=0.95):
        """Half-width of the interval of slope_a * mean_a - slope_b * mean_b."""
        seeds = [v * slope**2 for v, slope in zip(self.seeds, (slope_a, slope_b), strict=True)]
        images = self.images[0] * slope_a**2 + self.images[1] * slope_b**2 - 2 * slope_a * slope_b * self.covariance
        df = sum(seeds) ** 2 / sum(v**2 / df for v, df in zip(seeds, self.df, strict=True) if v)
        t, z = (of.ppf((1 + level) / 2) for of in (stats.t(df), stats.norm()))
        return math.sqrt(t**2 * sum(seeds) + z**2 * images)


def test_an_interval_adds_the_squares_of_both_reaches(two_settings):
    parts = Components(*two_settings)
    mean, reach = parts.mean[0], parts.reach(slope_b=0.0)
    assert interval(setting(two_settings[0])) == pytest.approx((mean - reach, mean + reach), abs=0.01 * reach)


def test_a_difference_adds_the_squares_of_both_reaches(two_settings):
    parts = Components(*two_settings)
    found = difference(*map(setting, two_settings))
    gap, reach = parts.mean[0] - parts.mean[1], parts.reach()
    assert found[:3] == pytest.approx((gap, gap - reach, gap + reach), abs=0.01 * reach)
    assert parts.reach(level=1 - found.p) == pytest.approx(gap, rel=0.01)  # the interval that ends at 0


def test_a_ratio_of_errors_is_the_delta_methods(two_settings):
    parts = Components(*two_settings)
    found = error_ratio(*map(setting, two_settings))
    errors = [1 - mean for mean in parts.mean]
    slopes, centre = [1 / error for error in errors], math.log(errors[0] / errors[1])
    reach = parts.reach(*slopes)
    assert found[:3] == pytest.approx([math.exp(centre + shift) for shift in (0, -reach, reach)], rel=1e-9)
    assert parts.reach(*slopes, level=1 - found.p) == pytest.approx(abs(centre), rel=1e-6)


def test_images_that_are_not_the_same_are_not_paired():
    rng = np.random.default_rng(8)
    images = 3.0 * rng.standard_normal(1000)
    a, b = (trainings(rng, images, 4, mean, 0.0) for mean in (0.3, 0.0))
    together, apart = difference(setting(a), setting(b)), difference(setting(a), setting(b[:, 1:]))
    assert apart.high - apart.low > 1.5 * (together.high - together.low)


@pytest.mark.parametrize("contrast", [difference, error_ratio])
def test_p_is_below_5_percent_exactly_when_the_95_percent_interval_excludes_no_difference(contrast):
    nothing = 0.0 if contrast is difference else 1.0
    for k in range(300, 420, 3):
        for others in ((k,), (k - 8, k + 3, k + 5)):
            _, low, high, p = contrast(Accuracy(others, 500), Accuracy((380, 372), 500))
            assert (p < 0.05) == (not low <= nothing <= high), others


# --- one network tested in two ways, borrowed scatter ---


def test_one_network_tested_twice_is_compared_more_closely_than_two_networks():
    rng = np.random.default_rng(4)
    images = 1.5 * rng.standard_normal(1000)
    strength = 0.8 * rng.standard_normal((5, 1))
    clean, attacked = (rng.random((5, 1000)) < expit(mean + strength + images) for mean in (2.0, 1.0))
    of_one = difference(setting(clean), setting(attacked), same_networks=True)
    of_two = difference(setting(clean), setting(attacked))
    assert of_one.value == of_two.value
    assert of_one.high - of_one.low < 0.7 * (of_two.high - of_two.low)
    assert of_one.p < of_two.p
    # What five networks lose has a t interval of its own, which images can only widen.
    losses = clean.mean(axis=1) - attacked.mean(axis=1)
    t_width = 2 * stats.t.ppf(0.975, 4) * losses.std(ddof=1) / math.sqrt(5)
    assert of_one.high - of_one.low > 0.9 * t_width


def test_scatter_is_pooled_with_the_degrees_of_freedom_of_each_setting():
    settings = [Accuracy((70, 80, 90), 100), Accuracy((40, 44), 100), Accuracy((99,), 100)]
    lent = pooled(settings)
    # (2 * .1^2 + 1 * .0008) / 3
    assert (lent.variance, lent.df) == (pytest.approx((2 * 0.01 + 0.0008) / 3), 3)
    assert pooled([Accuracy((70,), 100)]) is None
    assert pooled([]) is None


# --- all right, all wrong ---


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_all_right_and_all_wrong_have_finite_intervals_inside_0_and_1(n_seeds):
    n = 50
    best, worst = (setting(np.full((n_seeds, n), right), outcomes=n_seeds > 1) for right in (True, False))
    assert interval(best) == pytest.approx(wilson(n, n), abs=1e-12)
    assert interval(worst) == pytest.approx(wilson(0, n), abs=1e-12)
    nothing, everything = difference(best, best), difference(best, worst)
    assert nothing.low < nothing.value == 0.0 < nothing.high
    assert nothing.p == pytest.approx(1.0)
    assert 0 < everything.low < everything.high <= everything.value == 1.0
    assert everything.p < 1e-6
    assert error_ratio(best, worst) is error_ratio(worst, best) is None
    assert error_ratio(worst, worst).value == 1.0


def test_networks_that_agree_on_nothing_or_on_everything_are_no_error():
    half = np.arange(100) < 50
    apart = setting(np.stack([half, ~half]))  # every image is right in one of two trainings
    assert interval(apart).low < 0.5 < interval(apart).high
    alike = setting(np.stack([half, half, half]))  # no scatter at all, and no residual
    assert interval(alike) == pytest.approx(wilson(50, 100), abs=1e-3)
    assert difference(alike, alike).p == pytest.approx(1.0)

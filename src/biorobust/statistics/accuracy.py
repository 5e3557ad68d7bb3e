"""Accuracies over networks *and* images: how far would they move with other seeds and other test images?

One setting is trained several times, and every training is tested on the same images. Two things scatter: networks of
one setting (seeds), and images. An interval adds the squares of two reaches: Student's t for seeds, the normal quantile
for images. That of one setting keeps Wilson's shape at an effective number of images, so that it holds near 0 and 1.
That of a difference pairs two settings by image and leaves their networks independent; its ends are joined from two
intervals as Newcombe's for paired data (1998, Stat. Med. 17:2635; without the continuity correction of method 10) and
Zou & Donner's (2008), with the measured covariance.
Coverage is shown by simulation in tests/test_accuracy.py: 93 to 99 % with 3 and with 10 trainings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist, fmean, variance
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biorobust.core.intervals import LEVEL, score_interval
from biorobust.statistics.paired import Counts


class Interval(NamedTuple):
    """Ends of an interval."""

    low: float
    high: float


class Borrowed(NamedTuple):
    """Between-seed variance of an accuracy, pooled over other settings of a study, and its degrees of freedom."""

    variance: float
    df: int


@dataclass(frozen=True)
class Accuracy:
    """One setting: `counts[s]` of the `n` images right in training s, at least one training.

    outcomes: which images, bool (S, n), where they were kept; without them the image variance is that of a single
    network, which is too large for the mean of several and so on the careful side. borrowed: what stands in for the
    scatter of seeds when there is one training only.
    """

    counts: tuple[int, ...]
    n: int
    outcomes: NDArray[np.bool_] | None = None
    borrowed: Borrowed | None = None

    @cached_property
    def shares(self) -> tuple[float, ...]:
        return tuple(count / self.n for count in self.counts)

    @cached_property
    def value(self) -> float:
        """Mean accuracy over the trainings."""
        return fmean(self.shares)

    @property
    def n_seeds(self) -> int:
        return len(self.counts)

    @property
    def knows_seeds(self) -> bool:
        """Whether the scatter of seeds is known: measured here, or borrowed."""
        return self.n_seeds > 1 or self.borrowed is not None

    @cached_property
    def seeds(self) -> list[tuple[float, int]]:
        """Variance of the mean that comes from seeds, with its degrees of freedom; empty where it is not known."""
        if self.n_seeds > 1:
            return [(variance(self.shares) / self.n_seeds, self.n_seeds - 1)]
        return [(self.borrowed.variance, self.borrowed.df)] if self.borrowed else []

    @cached_property
    def by_image(self) -> NDArray[np.float64] | None:
        """Share of the trainings that get each image right, (n,)."""
        return None if self.outcomes is None else self.outcomes.mean(axis=0)

    @cached_property
    def image_variance(self) -> float:
        """Variance of the mean that comes from images, residual included."""
        if self.by_image is not None and self.n_seeds > 1 and self.n > 1:
            return float(self.by_image.var(ddof=1)) / self.n
        return self.value * (1 - self.value) / self.n

    @cached_property
    def residual(self) -> float:
        """The part of the variance that both components hold: single networks on single images, over S n."""
        if self.outcomes is None or self.by_image is None or self.n_seeds < 2 or self.n < 2:
            return 0.0
        rows = np.asarray(self.shares)[:, None]
        squares = float(((self.outcomes - self.by_image[None] - rows + self.value) ** 2).sum())
        return squares / ((self.n_seeds - 1) * (self.n - 1)) / (self.n * self.n_seeds)


def interval(accuracy: Accuracy) -> Interval:
    """Of the mean accuracy over all networks of a setting and all images, as proportions in [0, 1]."""
    seeds = accuracy.seeds
    total = max(accuracy.image_variance - accuracy.residual, 0.0) + sum(part for part, _ in seeds)
    return _wilson(accuracy, total, _quantile(total, seeds, LEVEL))


class Difference(NamedTuple):
    """Accuracy of a minus that of b (or another contrast), its interval, and p of "no difference" (two-sided)."""

    value: float
    low: float
    high: float
    p: float


def difference(a: Accuracy, b: Accuracy, *, tables: Sequence[Counts] = (), same_networks: bool = False) -> Difference:
    """Accuracy of a minus accuracy of b.

    Images are paired where both have outcomes of equal length, or by `tables`, paired counts of single trainings; else
    they count as independent. same_networks: training s of a and of b is one network, tested in two ways.
    """
    parts = _contrast(a, b, tables, same_networks=same_networks)

    def ends(wanted: float) -> Interval:
        z = _normal(wanted)
        (low_a, high_a), (low_b, high_b) = _wilson(a, parts.of_a, z), _wilson(b, parts.of_b, z)
        both = math.sqrt(parts.of_a * parts.of_b)
        phi = max(-1.0, min(1.0, parts.covariance / both)) if both > 0 else 0.0
        stretch = _quantile(parts.total, parts.seeds, wanted) / z
        down = stretch * _joined(a.value - low_a, high_b - b.value, phi)
        up = stretch * _joined(high_a - a.value, b.value - low_b, phi)
        return Interval(a.value - b.value - down, a.value - b.value + up)

    low, high = ends(LEVEL)
    return Difference(a.value - b.value, low, high, _p(ends))


def error_ratio(a: Accuracy, b: Accuracy, *, tables: Sequence[Counts] = ()) -> Difference | None:
    """Errors of a over errors of b; `p` is of a ratio of 1. None where one of them makes no error.

    A delta interval on the logarithm, with the components of `difference`.
    """
    errors_a, errors_b = 1 - a.value, 1 - b.value
    if errors_a <= 0 or errors_b <= 0:
        return None
    parts = _contrast(a, b, tables, scales=(1 / errors_a, 1 / errors_b))
    centre = math.log(errors_a / errors_b)

    def ends(wanted: float) -> Interval:
        reach = _quantile(parts.total, parts.seeds, wanted) * math.sqrt(parts.total)
        return Interval(centre - reach, centre + reach)

    low, high = ends(LEVEL)
    return Difference(math.exp(centre), math.exp(low), math.exp(high), _p(ends))


def pooled(settings: Sequence[Accuracy]) -> Borrowed | None:
    """Between-seed variance over the settings that have several trainings; None where none has."""
    several = [accuracy.shares for accuracy in settings if accuracy.n_seeds > 1]
    df = sum(len(shares) - 1 for shares in several)
    if not df:
        return None
    return Borrowed(sum(variance(shares) * (len(shares) - 1) for shares in several) / df, df)


class _Contrast(NamedTuple):
    """Variances: of a, of b, their covariance, of the difference; and its parts that come from seeds."""

    of_a: float
    of_b: float
    covariance: float
    total: float
    seeds: list[tuple[float, int]]


def _contrast(
    a: Accuracy,
    b: Accuracy,
    tables: Sequence[Counts],
    *,
    same_networks: bool = False,
    scales: tuple[float, float] = (1.0, 1.0),
) -> _Contrast:
    x, y = scales
    seeds = [(part * x * x, df) for part, df in a.seeds] + [(part * y * y, df) for part, df in b.seeds]
    shared = 0.0  # what seeds have in common
    if same_networks and a.n_seeds == b.n_seeds:
        apart = sum(part for part, _ in seeds)
        gaps = [of_a * x - of_b * y for of_a, of_b in zip(a.shares, b.shares, strict=True)]
        seeds = [(variance(gaps) / len(gaps), len(gaps) - 1)] if len(gaps) > 1 else []
        shared = (apart - seeds[0][0]) / 2 if seeds else 0.0
    image_a, image_b = max(a.image_variance - a.residual, 0.0), max(b.image_variance - b.residual, 0.0)
    seeds_a, seeds_b = sum(part for part, _ in a.seeds), sum(part for part, _ in b.seeds)
    covariance = _image_covariance(a, b, tables)
    images = max(x * x * image_a + y * y * image_b - 2 * x * y * covariance, 0.0)
    return _Contrast(
        of_a=image_a + seeds_a,
        of_b=image_b + seeds_b,
        covariance=covariance + shared,
        total=images + sum(part for part, _ in seeds),
        seeds=seeds,
    )


def _image_covariance(a: Accuracy, b: Accuracy, tables: Sequence[Counts]) -> float:
    """Covariance of the two means over images that both were tested on, or estimated on a part of them."""
    if a.by_image is not None and b.by_image is not None and a.n == b.n and a.n > 1:
        return float(np.cov(a.by_image, b.by_image)[0, 1]) / a.n
    if not tables:
        return 0.0

    def of(counts: Counts) -> float:
        both = counts.both / counts.n
        return both - (counts.both + counts.only_a) / counts.n * (counts.both + counts.only_b) / counts.n

    return fmean(of(counts) for counts in tables) / max(a.n, b.n)


def _wilson(accuracy: Accuracy, total: float, quantile: float) -> Interval:
    """Wilson's score interval at the number of images that would give the variance `total`."""
    p = accuracy.value
    n = p * (1 - p) / total if total > 0 and 0 < p < 1 else accuracy.n
    return Interval(*score_interval(p, n, quantile=quantile))


def _normal(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _quantile(total: float, seeds: Sequence[tuple[float, int]], level: float) -> float:
    """How many standard errors an interval reaches: t for the part of the variance that comes from seeds, normal else.

    The degrees of freedom are Satterthwaite's (1946) of the seeds' variances alone. Those of `total` cover 91 to 93 %
    where three networks scatter more than images do, and an interval would grow when images are known better.
    """
    normal, of_seeds = _normal(level), sum(part for part, _ in seeds)
    if of_seeds <= 0:
        return normal
    from scipy.special import stdtrit

    df = of_seeds**2 / sum(part**2 / df for part, df in seeds)
    student = float(stdtrit(df, (1 + level) / 2))
    return math.sqrt((student**2 * of_seeds + normal**2 * (total - of_seeds)) / total)


def _joined(x: float, y: float, phi: float) -> float:
    return math.sqrt(max(x**2 - 2 * phi * x * y + y**2, 0.0))


def _p(ends: Callable[[float], Interval]) -> float:
    """The smallest level of significance at which the interval excludes 0, found by halving."""
    low, high = 1e-12, 1.0
    for _ in range(45):
        alpha = math.sqrt(low * high)
        inside = ends(1 - alpha)
        low, high = (alpha, high) if inside.low <= 0 <= inside.high else (low, alpha)
    return high

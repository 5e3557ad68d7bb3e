"""Two networks on the same images: difference of their accuracies, its interval, and tests.

The four counts of the paired table are all that is needed: images both get right, only a, only b, neither. How several
seeds are put together is decided here, once, and on the careful side: a difference counts as shown only when neither
other images nor other seeds would undo it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from biorobust.analysis.intervals import mean_interval, wilson


@dataclass(frozen=True)
class Counts:
    """Images that a and b get right: both, only one of them, neither."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @property
    def n(self) -> int:
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def difference(self) -> float:
        """Accuracy of a minus accuracy of b, in [-1, 1]."""
        return (self.only_a - self.only_b) / self.n

    def swapped(self) -> Counts:
        """The same table with a and b exchanged."""
        return Counts(self.both, self.only_b, self.only_a, self.neither)


@dataclass(frozen=True)
class Difference:
    """Accuracy of a minus accuracy of b over `n_seeds` seeds of `n_images` images, with its 95 % interval."""

    difference: float
    low: float
    high: float
    p: float
    n_images: int
    n_seeds: int


def paired_counts(correct_a: np.ndarray, correct_b: np.ndarray) -> Counts:
    """Counts of two boolean arrays of shape (n,), aligned by image. Raises ValueError for other dtypes or shapes."""
    for correct in (correct_a, correct_b):
        if correct.dtype != bool or correct.ndim != 1:
            raise ValueError(f"need boolean arrays of one dimension, not {correct.dtype} of shape {correct.shape}")
    if len(correct_a) != len(correct_b) or not len(correct_a):
        raise ValueError(f"{len(correct_a)} and {len(correct_b)} images: need the same images, at least one")
    a, b = correct_a, correct_b
    return Counts(*(int(cell.sum()) for cell in (a & b, a & ~b, ~a & b, ~a & ~b)))


def paired_interval(counts: Counts) -> tuple[float, float]:
    """95 % interval of the difference of paired proportions: Newcombe (1998, Stat. Med. 17:2635), method 10.

    Score intervals of the two accuracies, joined with the correlation phi of the paired table (with its continuity
    correction); it keeps its coverage at the edges, where Wald's interval collapses to a point.
    """
    e, f, g, h = counts.both, counts.only_a, counts.only_b, counts.neither
    n, d = counts.n, counts.difference
    p_a, p_b = (e + f) / n, (e + g) / n
    (low_a, high_a), (low_b, high_b) = wilson(e + f, n), wilson(e + g, n)
    margins = math.sqrt(float(e + f) * (g + h) * (e + g) * (f + h))
    product = float(e) * h - float(f) * g
    if product > 0:
        product = max(product - n / 2, 0.0)
    phi = product / margins if margins > 0 else 0.0

    def joined(x: float, y: float) -> float:
        return math.sqrt(max(x**2 - 2 * phi * x * y + y**2, 0.0))

    return d - joined(p_a - low_a, high_b - p_b), d + joined(high_a - p_a, p_b - low_b)


def mcnemar(counts: Counts) -> float:
    """Exact two-sided p of McNemar's test: of the images only one network gets right, are half a's? 1 without any."""
    n = counts.only_a + counts.only_b
    if n == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(counts.only_a, n).pvalue)


def combine(per_seed: Sequence[Counts]) -> Difference:
    """One difference from the paired tables of one or more seeds (the same images each time).

    - difference: mean over seeds.
    - Image interval: mean of the seeds' intervals. It does not shrink with the number of seeds, because all seeds are
      tested on the same images.
    - With three seeds or more also the t interval of the seeds' differences. The result reaches from the lower of the
      two lower ends to the higher of the two upper ends.
    - p: the largest of the seeds' McNemar p values, so a small one means that every seed alone shows the difference.

    Raises ValueError for no tables or for tables of different size.
    """
    if not per_seed:
        raise ValueError("no paired counts: need those of at least one seed")
    if len({counts.n for counts in per_seed}) > 1:
        raise ValueError("the seeds were tested on different numbers of images")
    intervals = [paired_interval(counts) for counts in per_seed]
    low, high = fmean(ends[0] for ends in intervals), fmean(ends[1] for ends in intervals)
    seeds = mean_interval([counts.difference for counts in per_seed])
    if len(per_seed) >= 3 and seeds.half_width is not None:
        low, high = min(low, seeds.mean - seeds.half_width), max(high, seeds.mean + seeds.half_width)
    p = max(mcnemar(counts) for counts in per_seed)
    return Difference(seeds.mean, low, high, p, per_seed[0].n, len(per_seed))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p values in the order given: compare each with 0.05 to keep the family's error at 5 %."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted

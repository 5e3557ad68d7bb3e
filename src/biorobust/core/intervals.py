"""95 % intervals for one proportion, for a mean over seeds, and for two unpaired proportions.

Two kinds of uncertainty are kept apart: Wilson's interval says how far the finite set of test images leaves the
accuracy of *one* model open; the t interval says how far models trained with other seeds scatter around their mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple

LEVEL = 0.95  # of every interval
Z95 = NormalDist().inv_cdf((1 + LEVEL) / 2)


class Mean(NamedTuple):
    """A mean over seeds. `sd` (n - 1) and `half_width` of the 95 % t interval are None for a single value."""

    mean: float
    sd: float | None
    half_width: float | None


def _check_counts(k: int, n: int) -> None:
    if n < 1 or not 0 <= k <= n:
        raise ValueError(f"{k} of {n}: need 0 <= k <= n and n >= 1")


def wilson(k: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval (Wilson 1927) for `k` successes in `n` trials, as proportions (low, high) in [0, 1].

    Raises ValueError unless 0 <= k <= n and n >= 1.
    """
    _check_counts(k, n)
    p, z2 = k / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    spread = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n**2))
    # The exact bound at k = 0 is 0 and at k = n is 1; rounding would leave a remainder of 1e-17.
    return (0.0 if k == 0 else centre - spread), (1.0 if k == n else centre + spread)


def mean_interval(values: Sequence[float]) -> Mean:
    """Mean, standard deviation and half-width of the 95 % t interval of one value per seed.

    Raises ValueError for no values.
    """
    if not values:
        raise ValueError("no values: need at least one")
    if len(values) == 1:
        return Mean(float(values[0]), None, None)
    from scipy.stats import t

    sd = stdev(values)
    half_width = float(t.ppf((1 + LEVEL) / 2, len(values) - 1)) * sd / math.sqrt(len(values))
    return Mean(fmean(values), sd, half_width)


def difference_interval(k1: int, n1: int, k2: int, n2: int) -> tuple[float, float]:
    """95 % interval of p1 - p2 for independent samples, in [-1, 1]: Newcombe (1998, Stat. Med. 17:873), method 10.

    For numbers printed in a report, where nobody knows which images two networks share. Raises ValueError as `wilson`.
    """
    (low1, high1), (low2, high2) = wilson(k1, n1), wilson(k2, n2)
    p1, p2 = k1 / n1, k2 / n2
    low = p1 - p2 - math.hypot(p1 - low1, high2 - p2)
    high = p1 - p2 + math.hypot(high1 - p1, p2 - low2)
    return low, high

"""95 % intervals for one proportion and for a mean over seeds.

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


def wilson(k: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval (Wilson 1927) for `k` successes in `n` trials, as proportions (low, high) in [0, 1].

    Raises ValueError unless 0 <= k <= n and n >= 1.
    """
    if n < 1 or not 0 <= k <= n:
        raise ValueError(f"{k} of {n}: need 0 <= k <= n and n >= 1")
    return score_interval(k / n, n, quantile=Z95)


def score_interval(p: float, n: float, *, quantile: float) -> tuple[float, float]:
    """Wilson's interval of a proportion `p` of `n`, which need not be whole; quantile: of the normal distribution."""
    z2 = quantile**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    spread = quantile / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n**2))
    # The exact bound at p = 0 is 0 and at p = 1 is 1; rounding would leave a remainder of 1e-17.
    return (0.0 if p == 0 else max(0.0, centre - spread)), (1.0 if p == 1 else min(1.0, centre + spread))


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

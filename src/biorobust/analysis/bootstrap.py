"""Percentile bootstrap over images (Efron 1979): intervals of a median or a mean, for many columns at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

DRAWS = 1000
SEED = 4  # fixed: the same values give the same interval


class Interval(NamedTuple):
    """An estimate and the ends of its 95 % interval, each of shape (...); NaN where no value is defined."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def interval(values: np.ndarray, *, statistic: str = "median", draws: int = DRAWS) -> Interval:
    """The median (or mean) over the first axis with its 95 % interval, images drawn with replacement.

    values: (N, ...), NaN where undefined; such values are left out of every draw. All columns see the same draws, so
    differences between columns keep their correlation. N is at least 1.
    """
    columns = values.reshape(len(values), -1)
    chosen = np.random.default_rng(SEED).integers(len(columns), size=(draws, len(columns)))
    ends = np.full((3, columns.shape[1]), np.nan)
    whole = np.isfinite(columns).all(axis=0)
    some = ~whole & ~np.isnan(columns).all(axis=0)
    # NumPy's functions that step over NaN are many times slower, and most layers need none of them.
    for part, compute in ((whole, getattr(np, statistic)), (some, getattr(np, f"nan{statistic}"))):
        if part.any():
            ends[:, part] = _ends(columns[:, part], chosen, compute)
    return Interval(*(end.reshape(values.shape[1:]) for end in ends))


def _ends(columns: np.ndarray, chosen: np.ndarray, compute: Callable[..., np.ndarray]) -> np.ndarray:
    """(3, L): the statistic of (N, L) columns and the ends of its interval. chosen: (draws, N) rows."""
    # A draw may hold only undefined values of a column: it is NaN, and the quantile leaves it out.
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        # Some draws at a time: memory stays small however many there are.
        drawn = np.concatenate(
            [compute(columns[rows], axis=1) for rows in np.array_split(chosen, -(-len(chosen) // 50))]
        )
        return np.stack([compute(columns, axis=0), *np.nanquantile(drawn, [0.025, 0.975], axis=0)])

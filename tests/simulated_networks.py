"""Networks of one setting, drawn: images differ in difficulty, networks in strength, and each errs by chance besides.

Network s gets image i right with probability 1 / (1 + exp(-(m + u_s + d_i))): d_i is the image's, u_s the network's,
both normal. The truth is the expectation over networks and images, so it is known without any simulation.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from biorobust.statistics import Accuracy

# Nodes and weights for expectations over a standard normal.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(81)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@cache
def population(accuracy: float, *, scatter: float, difficulty: float) -> tuple[float, float]:
    """Mean logit m and standard deviation of u, so that networks have a mean accuracy and a standard deviation of it.

    difficulty: standard deviation of d.
    """

    def centre(spread: float) -> float:
        both = np.hypot(spread, difficulty)
        return float(brentq(lambda m: _WEIGHTS @ expit(m + both * _NODES) - accuracy, -300, 300))

    def too_wide(spread: float) -> float:
        of_network = expit(centre(spread) + spread * _NODES[:, None] + difficulty * _NODES) @ _WEIGHTS
        return float(np.sqrt(_WEIGHTS @ of_network**2 - (_WEIGHTS @ of_network) ** 2)) - scatter

    spread = float(brentq(too_wide, 1e-6, 10)) if scatter > 0 else 0.0
    return centre(spread), spread


def trainings(
    rng: np.random.Generator, images: NDArray[np.float64], n_seeds: int, mean: float, spread: float
) -> NDArray[np.bool_]:
    """Which of the images, given by their difficulty (n,), each of `n_seeds` networks gets right, (S, n)."""
    logits = mean + spread * rng.standard_normal((n_seeds, 1)) + images
    return rng.random(logits.shape, dtype=np.float32) < expit(logits.astype(np.float32))


def setting(right: NDArray[np.bool_], *, outcomes: bool = True) -> Accuracy:
    """The accuracy of a setting from its outcomes (S, n); without `outcomes` only their counts are kept."""
    counts = tuple(int(k) for k in right.sum(axis=1))
    return Accuracy(counts, right.shape[1], outcomes=right if outcomes else None)

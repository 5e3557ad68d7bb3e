"""Networks of one setting, drawn: images differ in difficulty, networks in strength, and each errs by chance besides.

Network s gets image i right with probability 1 / (1 + exp(-(m + u_s + d_i))): d_i is the image's, u_s the network's,
both normal. The truth is the expectation over networks and images, so it is known without any simulation.
"""

from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from biorobust.statistics import Accuracy

# Nodes and weights for expectations over a standard normal.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(81)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@cache
def population(accuracy, *, scatter, difficulty):
    """Mean logit m and standard deviation of u, so that networks have a mean accuracy and a standard deviation of it.

    difficulty: standard deviation of d.
    """

    def centre(spread):
        both = np.hypot(spread, difficulty)
        return float(brentq(lambda m: _WEIGHTS @ expit(m + both * _NODES) - accuracy, -300, 300))

    def too_wide(spread):
        of_network = expit(centre(spread) + spread * _NODES[:, None] + difficulty * _NODES) @ _WEIGHTS
        return float(np.sqrt(_WEIGHTS @ of_network**2 - (_WEIGHTS @ of_network) ** 2)) - scatter

    spread = float(brentq(too_wide, 1e-6, 10)) if scatter > 0 else 0.0
    return centre(spread), spread


def trainings(rng, images, n_seeds, mean, spread):
    """Which of the images, given by their difficulty (n,), each of `n_seeds` networks gets right, (S, n)."""
    logits = mean + spread * rng.standard_normal((n_seeds, 1)) + images
    return rng.random(logits.shape, dtype=np.float32) < expit(logits.astype(np.float32))


def setting(right, *, outcomes=True):
    """The accuracy of a setting from its outcomes (S, n); without `outcomes` only their counts are kept."""
    counts = tuple(int(k) for k in right.sum(axis=1))
    return Accuracy(counts, right.shape[1], outcomes=right if outcomes else None)

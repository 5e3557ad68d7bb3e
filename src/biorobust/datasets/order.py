"""Stratified orders of labelled images: which of them to attack first, which to set aside for choices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified(labels: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """An order of 0..N-1 in which every prefix has the classes in the proportions of the whole; int64 (N,).

    The j-th of the n images of a class, in random order, gets the place (j + 1/2) / n, and all are sorted by place. So
    a prefix of m images holds about m * n / N of that class (off by at most 1/2 + n K / (2 N), which is 1 for K
    equal classes), and an accuracy measured on it estimates the accuracy on the whole set.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels[shuffled] == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    # Stable, so that images at the same place stay in random order.
    return shuffled[np.argsort(place, kind="stable")].astype(np.int64)

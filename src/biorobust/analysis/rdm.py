"""Representational dissimilarity matrices (Kriegeskorte et al. 2008) and how similar two of them are.

A matrix holds 1 - r between the activations of every two images, so layers and networks of any size can be compared
through it: by the rank correlation of the upper triangles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor


def rdm(activations: Tensor) -> Tensor:
    """1 - Pearson r between all pairs of images: float64 (N, N) for (N, ...); NaN beside constant activations."""
    return 1 - torch.corrcoef(activations.flatten(1).double())


def similarity(first: Tensor, second: Tensor) -> float:
    """Spearman's rank correlation of two matrices' (N, N) upper triangles; NaN where an entry is NaN."""
    rows, columns = torch.triu_indices(len(first), len(first), offset=1)
    return float(spearmanr(*(matrix.cpu()[rows, columns].numpy() for matrix in (first, second))).statistic)


def noise_ceiling(repeats: Sequence[Tensor]) -> tuple[float, float]:
    """How similar the matrices of a stochastic network's repeats are: (lower, upper) bound of what can be expected.

    upper: mean similarity of a repeat with the mean of all; lower: with the mean of the others (Nili et al. 2014).
    Needs 2 repeats or more.
    """
    total = torch.stack(list(repeats)).sum(dim=0)
    n = len(repeats)
    lower = np.mean([similarity(one, (total - one) / (n - 1)) for one in repeats])
    return float(lower), float(np.mean([similarity(one, total / n) for one in repeats]))

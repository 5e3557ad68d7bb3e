"""Representational dissimilarity matrices (Kriegeskorte et al. 2008) and how alike two of them are.

A matrix holds 1 - r between the activations of every two images, so layers and networks of any size can be compared
through it: by the rank correlation of the upper triangles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def rdm(activations: Tensor) -> Tensor:
    """1 - Pearson r between all pairs of images: float64 (N, N), symmetric, 0 on the diagonal; NaN for constants.

    activations: (N, ...). Raises ValueError for fewer than 3 images, whose triangle has nothing to rank.
    """
    if len(activations) < 3:
        raise ValueError(f"{len(activations)} images: need at least 3")
    flat = activations.flatten(1).double()
    flat = flat - flat.mean(dim=1, keepdim=True)
    length = flat.norm(dim=1, keepdim=True)
    unit = torch.where(length > 0, flat / length, torch.nan)
    matrix = (1 - unit @ unit.T).clamp(0, 2)
    matrix = (matrix + matrix.T) / 2
    return matrix.masked_fill_(torch.eye(len(matrix), dtype=torch.bool, device=matrix.device), 0.0)


def upper(matrix: Tensor) -> np.ndarray:
    """The entries above the diagonal of (N, N), row by row: (N (N - 1) / 2,)."""
    n = len(matrix)
    rows, columns = torch.triu_indices(n, n, offset=1)
    entries: np.ndarray = matrix.cpu()[rows, columns].numpy()
    return entries


def similarity(first: Tensor, second: Tensor) -> float:
    """Spearman's rank correlation of two matrices' upper triangles; NaN where an entry is NaN or all are equal.

    Raises ValueError for matrices of different size.
    """
    from scipy.stats import rankdata

    if first.shape != second.shape:
        raise ValueError(f"matrices of {len(first)} and {len(second)} images: need the same images")
    a, b = upper(first), upper(second)
    if not (np.isfinite(a).all() and np.isfinite(b).all()) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def noise_ceiling(repeats: Sequence[Tensor]) -> tuple[float, float]:
    """How alike the matrices of a stochastic network's repeats are: (lower, upper) bound of what can be expected.

    upper: mean similarity of a repeat with the mean of all; lower: with the mean of the others (Nili et al. 2014).
    Raises ValueError for fewer than 2 repeats.
    """
    if len(repeats) < 2:
        raise ValueError(f"{len(repeats)} repeats: need at least 2")
    stack = torch.stack(list(repeats))
    total = stack.sum(dim=0)
    n = len(stack)
    lower = np.mean([similarity(one, (total - one) / (n - 1)) for one in stack])
    return float(lower), float(np.mean([similarity(one, total / n) for one in stack]))

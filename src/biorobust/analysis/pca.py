"""Activations as pictures: the leading principal components of the channels, position by position.

Clean and perturbed activations share one basis, fitted to the clean ones: one of its own for each would make
differences where there are none, and hide those there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Basis:
    """Components fitted to one layer's activations of one image or several.

    mean: (C,). components: (K, C), rows of length 1 whose entry of largest magnitude is positive. explained: (K,)
    shares of the variance. degenerate: (K,) bool, components without variance.
    """

    mean: Tensor
    components: Tensor
    explained: Tensor
    degenerate: Tensor


def _positions(activations: Tensor) -> Tensor:
    """(N, C, H, W) as float64 (N H W, C)."""
    if activations.ndim != 4:
        raise ValueError(f"activations of shape {tuple(activations.shape)}: need (N, C, H, W)")
    return activations.double().movedim(1, -1).flatten(0, 2)


def fit(activations: Tensor, *, n_components: int = 3) -> Basis:
    """The basis of (N, C, H, W) activations.

    With fewer channels or positions than components the missing ones are degenerate. Through the smaller of the two
    Gram matrices, so wide layers on few positions cost little. Raises ValueError for other shapes or values not finite.
    """
    x = _positions(activations)
    if not bool(x.isfinite().all()):
        raise ValueError("activations are not all finite")
    mean = x.mean(dim=0)
    x = x - mean
    total = x.square().sum()
    if x.shape[0] >= x.shape[1]:
        vectors = torch.linalg.eigh(x.T @ x).eigenvectors.T.flip(0)
    else:
        vectors = torch.linalg.eigh(x @ x.T).eigenvectors.T.flip(0) @ x
    components = torch.zeros(n_components, x.shape[1], dtype=x.dtype, device=x.device)
    count = min(n_components, len(vectors))
    lengths = vectors[:count].norm(dim=1, keepdim=True)
    components[:count] = torch.where(lengths > 0, vectors[:count] / lengths.clamp(min=1e-300), 0.0)
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    components = components * torch.where(largest < 0, -1.0, 1.0)
    scores = x @ components.T
    variance = scores.square().sum(dim=0)
    explained = variance / total if total > 0 else torch.zeros_like(variance)
    degenerate = explained <= 1e-12  # below the rounding errors of the data nothing is a direction
    return Basis(mean, components, explained, degenerate)


def scores(basis: Basis, activations: Tensor) -> Tensor:
    """float64 (N, K, H, W): activations (N, C, H, W) in the basis."""
    n, _, height, width = activations.shape
    projected = (_positions(activations) - basis.mean) @ basis.components.T
    return projected.reshape(n, height, width, -1).movedim(-1, 1)

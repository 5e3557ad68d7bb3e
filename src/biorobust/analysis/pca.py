"""Activations as pictures: the first principal component of the channels, position by position.

Clean and perturbed activations share the component of the clean ones: one of its own for each would make differences
where there are none, and hide those there are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Component(NamedTuple):
    """mean: (C,). direction: (C,), of length 1, its entry of largest magnitude positive; 0 without any variance."""

    mean: Tensor
    direction: Tensor


def _positions(activations: Tensor) -> Tensor:
    """(N, C, H, W) as float64 (N H W, C)."""
    return activations.double().movedim(1, -1).flatten(0, 2)


def fit(activations: Tensor) -> Component:
    """The first component of (N, C, H, W) activations of one image or several.

    Through the smaller of the two Gram matrices, so wide layers on few positions cost little. Raises ValueError for
    values that are not finite.
    """
    x = _positions(activations)
    if not bool(x.isfinite().all()):
        raise ValueError("activations are not all finite")
    mean = x.mean(dim=0)
    x = x - mean
    if x.shape[0] >= x.shape[1]:
        direction = torch.linalg.eigh(x.T @ x).eigenvectors[:, -1]
    else:
        direction = torch.linalg.eigh(x @ x.T).eigenvectors[:, -1] @ x
    direction = direction / direction.norm().clamp(min=1e-300)
    # Below the rounding errors of the data nothing is a direction.
    seen = (x @ direction).square().sum() > 1e-12 * x.square().sum()
    return Component(mean, direction * direction[direction.abs().argmax()].sign() * seen)


def scores(component: Component, activations: Tensor) -> Tensor:
    """float64 (N, H, W): activations (N, C, H, W) along the component."""
    n, _, height, width = activations.shape
    return ((_positions(activations) - component.mean) @ component.direction).reshape(n, height, width)

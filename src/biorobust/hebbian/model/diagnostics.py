"""What learned units look like: how many reached the unit sphere, how many are negative, how smooth they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from biorobust.core.training import share

SPHERE_TOLERANCE = 0.1  # a unit counts as converged when sum |W|^p lies within this of 1
N_PICTURES = 25  # how many units are kept as pictures: the first ones, not chosen ones


def lengths(weights: Tensor, *, p: float) -> Tensor:
    """(H,) values of sum_i |W_mu,i|^p, which the rule drives to 1."""
    return weights.abs().pow(p).sum(dim=1)


def converged(weights: Tensor, *, p: float) -> Tensor:
    """(H,) bool: units on the unit sphere. Two-sided, so a unit that shrank to nothing does not count."""
    return (lengths(weights, p=p) - 1).abs() <= SPHERE_TOLERANCE


def choose(weights: Tensor, *, units: str, p: float, seed: int) -> Tensor:
    """Rows of weights (H, N), in their order, that a classifier stands on.

    units: `all`; `converged`, those on the unit sphere; `random`, as many as converged, drawn without looking: the
    control for there being fewer units. Where learning was too short for any unit to arrive, the nearest one is kept.
    """
    if units == "all":
        return weights
    kept = converged(weights, p=p)
    if not bool(kept.any()):
        kept[(lengths(weights, p=p) - 1).abs().argmin()] = True
    if units == "random":
        # A stream of its own: the same seed drew the weights that learning began with.
        generator = torch.Generator().manual_seed(1_000_003 + seed)
        drawn = torch.randperm(len(weights), generator=generator)[: int(kept.sum())]
        kept = torch.zeros_like(kept)
        kept[drawn.to(kept.device)] = True
    return weights[kept]


def autocorrelation(units: Tensor) -> Tensor:
    """(H,) Moran's I of every unit's weights as a picture, over vertical and horizontal neighbours.

    units: (H, h, w). About 0 for noise, towards 1 for smooth strokes; NaN for a constant unit. Moran (1950):
    I = (n / number of pairs) * sum over pairs z_i z_j / sum z_i^2 with z the deviation from the unit's mean.
    """
    z = units.double() - units.double().mean(dim=(1, 2), keepdim=True)
    vertical, horizontal = z[:, 1:] * z[:, :-1], z[:, :, 1:] * z[:, :, :-1]
    pairs = vertical[0].numel() + horizontal[0].numel()
    together = vertical.sum(dim=(1, 2)) + horizontal.sum(dim=(1, 2))
    return (z[0].numel() / pairs) * together / z.square().sum(dim=(1, 2))


def smoothness(units: Tensor) -> float | None:
    """Mean `autocorrelation` of the units that are not constant; None where all are."""
    values = autocorrelation(units)
    values = values[values.isfinite()]
    return values.mean().item() if len(values) else None


def describe(weights: Tensor, *, p: float, shape: tuple[int, int]) -> dict[str, Any]:
    """The numbers logged for learned weights (H, N).

    A negative unit has a negative mean weight: on non-negative images it can hardly ever win.
    """
    return {
        "converged_share": share(converged(weights, p=p)),
        "negative_share": share(weights.mean(dim=1) < 0),
        "diverged": not bool(weights.isfinite().all()),
        "autocorrelation": smoothness(weights.reshape(-1, *shape)),
    }

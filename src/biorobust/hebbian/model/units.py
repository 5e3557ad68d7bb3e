"""Which of the learned units a classifier stands on."""

from __future__ import annotations

import torch
from torch import Tensor

from biorobust.hebbian.model import diagnostics


def choose(weights: Tensor, *, units: str, p: float, seed: int) -> Tensor:
    """Rows of weights (H, N), in their order.

    units: `all`; `converged`, those on the unit sphere; `random`, as many as converged, drawn without looking: the
    control for there being fewer units. Where learning was too short for any unit to arrive, the nearest one is kept.
    """
    if units == "all":
        return weights
    kept = diagnostics.converged(weights, p=p)
    if not bool(kept.any()):
        kept[(diagnostics.lengths(weights, p=p) - 1).abs().argmin()] = True
    if units == "random":
        # A stream of its own: the same seed drew the weights that learning began with.
        generator = torch.Generator().manual_seed(1_000_003 + seed)
        drawn = torch.randperm(len(weights), generator=generator)[: int(kept.sum())]
        kept = torch.zeros_like(kept)
        kept[drawn.to(kept.device)] = True
    return weights[kept]

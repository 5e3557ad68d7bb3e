"""What every gradient attack here adds to Foolbox's: a loss of one's own, and a look at the gradients."""

from __future__ import annotations

from collections.abc import Callable

import eagerpy as ep
import foolbox as fb
import torch
from torch import Tensor

from biorobust.attacks.losses import Loss


class OwnLoss:
    """Mixin that stands before one of Foolbox's gradient attacks. `outputs`: those of the last gradient, (B, K)."""

    loss: Loss
    outputs: Tensor

    def get_loss_fn(self, model: fb.Model, labels: ep.Tensor) -> Callable[[ep.Tensor], ep.Tensor]:
        def summed(inputs: ep.Tensor) -> ep.Tensor:
            outputs = model(inputs).raw
            self.outputs = outputs.detach()
            return ep.astensor(self.loss(outputs, labels.raw))

        return summed


def nonfinite(gradient: Tensor) -> Tensor:
    """(B,) bool: gradients (B, ...) with an element that is NaN or infinite."""
    rows = gradient.flatten(1)
    if rows.sum(dim=1).isfinite().all():  # one pass over memory where nothing is wrong; a sum may also overflow
        return torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    return ~rows.isfinite().all(dim=1)


def all_zero(gradient: Tensor) -> Tensor:
    """(B,) bool: gradients (B, ...) that are exactly zero everywhere."""
    return (gradient == 0).flatten(1).all(dim=1)

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


class Noted:
    """Mixin for Foolbox's minimising attacks that notes what is wrong with the gradients of an image, (B,) bool each.

    zero_gradient: they vanish at the clean image. nonfinite_gradient: one of them is NaN or infinite in some pixel, at
    any step. Both are None when every image was misclassified from the start, so that no gradient was taken.
    """

    zero_gradient: Tensor | None = None
    nonfinite_gradient: Tensor | None = None

    def usable(self, gradients: ep.Tensor) -> ep.Tensor:
        """Gradients (B, ...) in which a pixel that is NaN or infinite counts as flat, and no other."""
        bad = nonfinite(gradients.raw)
        if self.zero_gradient is None or self.nonfinite_gradient is None:
            self.zero_gradient, self.nonfinite_gradient = all_zero(gradients.raw), bad
        else:
            self.nonfinite_gradient = self.nonfinite_gradient | bad
        return ep.astensor(gradients.raw.nan_to_num(0.0, 0.0, 0.0)) if bad.any() else gradients


def nonfinite(gradient: Tensor) -> Tensor:
    """(B,) bool: gradients (B, ...) with an element that is NaN or infinite."""
    rows = gradient.flatten(1)
    if rows.sum(dim=1).isfinite().all():  # one pass over memory where nothing is wrong; a sum may also overflow
        return torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    return ~rows.isfinite().all(dim=1)


def all_zero(gradient: Tensor) -> Tensor:
    """(B,) bool: gradients (B, ...) that are exactly zero everywhere."""
    return (gradient == 0).flatten(1).all(dim=1)

"""The fast gradient sign method (Goodfellow et al. 2015) over a grid of epsilons, through Foolbox.

Foolbox starts a fixed-epsilon attack anew for every epsilon. The gradient at the clean image does not depend on
epsilon, so it is computed once per minibatch and used for the whole grid; Foolbox does everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import eagerpy as ep
import foolbox as fb
import torch
from torch import Tensor, nn

from biorobust.attacks.crafting import Batch, Crafted
from biorobust.attacks.gradient import OwnLoss, all_zero, nonfinite
from biorobust.attacks.losses import Loss


class OneGradientFGSM(OwnLoss, fb.attacks.LinfFastGradientAttack):
    """FGSM without random start on any loss of the outputs, with one gradient for every epsilon."""

    def __init__(self, loss: Loss) -> None:
        super().__init__(random_start=False)
        self.loss = loss
        self._images: Tensor | None = None
        self._gradients: Any = None

    def value_and_grad(self, loss_fn: Callable[[ep.Tensor], ep.Tensor], x: ep.Tensor) -> tuple[Any, ep.Tensor]:
        if self._images is not x.raw:
            self._images = x.raw
            self._gradients = super().value_and_grad(loss_fn, x)
        return self._gradients

    @property
    def gradient(self) -> Tensor:
        """(B, C, H, W), of the minibatch last attacked."""
        gradient: Tensor = self._gradients[1].raw
        return gradient


def craft(view: nn.Module, batch: Batch, *, eps: tuple[float, ...], loss: Loss) -> Crafted:
    """One step of size epsilon along the sign of the gradient of `loss`, for every epsilon."""
    attack = OneGradientFGSM(loss)
    wrapped = fb.PyTorchModel(view, bounds=(0, 1), device=batch.images.device)
    _, clipped, _ = attack(wrapped, batch.images, batch.labels, epsilons=list(eps))
    n = len(eps)
    return Crafted(
        images=clipped,
        zero_gradient=[all_zero(attack.gradient)] * n,
        nonfinite_gradient=[nonfinite(attack.gradient)] * n,
        step=[torch.ones_like(batch.labels)] * n,
    )

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
from torch import Tensor

from biorobust.attacks.losses import Loss


class OneGradientFGSM(fb.attacks.LinfFastGradientAttack):
    """FGSM without random start on any loss of the outputs; `zero_gradient` tells, after a call, where it failed."""

    def __init__(self, loss: Loss) -> None:
        super().__init__(random_start=False)
        self.loss = loss
        self._images: Tensor | None = None
        self._gradients: Any = None

    def get_loss_fn(self, model: fb.Model, labels: ep.Tensor) -> Callable[[ep.Tensor], ep.Tensor]:
        def summed(inputs: ep.Tensor) -> ep.Tensor:
            return ep.astensor(self.loss(model(inputs).raw, labels.raw))

        return summed

    def value_and_grad(self, loss_fn: Callable[[ep.Tensor], ep.Tensor], x: ep.Tensor) -> tuple[Any, ep.Tensor]:
        if self._images is not x.raw:
            self._images = x.raw
            self._gradients = super().value_and_grad(loss_fn, x)
        return self._gradients

    @property
    def zero_gradient(self) -> Tensor:
        """(B,) bool for the minibatch last attacked: images whose loss gradient is exactly zero in every pixel."""
        return (self._gradients[1].raw == 0).flatten(1).all(dim=1)


def craft(view: torch.nn.Module, images: Tensor, labels: Tensor, *, loss: Loss, eps: tuple[float, ...]) -> Any:
    """Adversarial images of one minibatch for every epsilon, and where the gradient was zero.

    images: (B, C, H, W) in [0, 1]. Returns ([(B, C, H, W) per eps], (B,) bool).
    """
    attack = OneGradientFGSM(loss)
    wrapped = fb.PyTorchModel(view, bounds=(0, 1), device=images.device)
    _, clipped, _ = attack(wrapped, images, labels, epsilons=list(eps))
    return clipped, attack.zero_gradient

"""Projected gradient descent in L-infinity (Madry et al. 2018), through Foolbox's LinfPGD.

The start is uniform in the ball and one draw serves every epsilon, scaled: results for one epsilon do not depend on
which others are asked for. Foolbox returns the last iterate; here the first iterate that fools can be had as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import eagerpy as ep
import foolbox as fb
import torch
from torch import Tensor, nn
from torch.nn import functional

from biorobust.attacks.crafting import Batch, Crafted, wide
from biorobust.attacks.gradient import OwnLoss, all_zero, nonfinite
from biorobust.attacks.losses import Loss
from biorobust.attacks.scoring import classes, predict


class TracedPGD(OwnLoss, fb.attacks.LinfProjectedGradientDescentAttack):
    """LinfPGD of one epsilon on any loss, from a given start; it notes what happened on the way.

    start: (B, C, H, W) in [-1, 1], in units of epsilon. zero_gradient: (B,) bool at the first iterate;
    nonfinite_gradient: (B,) bool at any. With a judge: first, (B, C, H, W), the first iterate that the judge
    misclassifies, and broke_at, (B,) its number (0 is the start, -1 none; the last iterate is not among them, it is
    what Foolbox returns).
    """

    def __init__(
        self,
        loss: Loss,
        *,
        steps: int,
        rel_stepsize: float | None,
        abs_stepsize: float | None,
        start: Tensor,
        view: nn.Module,
        batch: Batch,
    ) -> None:
        if (rel_stepsize is None) == (abs_stepsize is None):
            raise ValueError("give the step either relative to epsilon or absolute")
        super().__init__(rel_stepsize=rel_stepsize or 0.0, abs_stepsize=abs_stepsize, steps=steps, random_start=True)
        self.loss, self.start, self.view, self.labels, self.judge = loss, start, view, batch.labels, batch.judge
        self.zero_gradient = torch.zeros_like(batch.labels, dtype=torch.bool)
        self.nonfinite_gradient = self.zero_gradient.clone()
        self.first = batch.images.clone()
        self.broke_at = torch.full_like(batch.labels, -1)
        self._taken = 0

    def get_random_start(self, x0: ep.Tensor, epsilon: float) -> ep.Tensor:
        return x0 + epsilon * ep.astensor(self.start)

    def value_and_grad(self, loss_fn: Callable[[ep.Tensor], ep.Tensor], x: ep.Tensor) -> tuple[Any, ep.Tensor]:
        value, gradient = super().value_and_grad(loss_fn, x)
        if self._taken == 0:
            self.zero_gradient = all_zero(gradient.raw)
        self.nonfinite_gradient |= nonfinite(gradient.raw)
        if self.judge is not None:
            # Where the judge is what was just differentiated, its outputs are there already.
            said = classes(self.outputs) if self.judge is self.view else predict(self.judge, x.raw)
            new = (said != self.labels) & (self.broke_at < 0)
            self.first[new], self.broke_at[new] = x.raw[new], self._taken
        self._taken += 1
        return value, gradient


def craft(
    view: nn.Module,
    batch: Batch,
    *,
    eps: tuple[float, ...],
    loss: Loss,
    steps: int,
    rel_stepsize: float | None = None,
    abs_stepsize: float | None = None,
    targeted: bool = False,
) -> Crafted:
    """`steps` steps along the sign of the gradient of `loss`, each of rel_stepsize * eps or of abs_stepsize.

    One of the two is given; abs_stepsize is in pixel units. targeted: down the loss of batch.targets instead of up that
    of the labels.
    """
    images, device = batch.images, batch.images.device
    # Drawn on the CPU: the same start on every device.
    start = 2 * torch.rand(images.shape, generator=batch.generator, dtype=images.dtype).to(device) - 1
    wrapped = fb.PyTorchModel(view, bounds=(0, 1), device=device)
    criterion = (
        fb.criteria.TargetedMisclassification(batch.targets)
        if targeted
        else fb.criteria.Misclassification(batch.labels)
    )
    last = Crafted(images=[], zero_gradient=[], nonfinite_gradient=[], step=[])
    best = replace(last, images=[], step=[])
    for size in eps:
        attack = TracedPGD(
            loss,
            steps=steps if size else 1,  # a ball of size 0 holds one point; its gradient is still looked at
            rel_stepsize=rel_stepsize,
            abs_stepsize=abs_stepsize,
            start=start,
            view=view,
            batch=batch,
        )
        _, clipped, _ = attack(wrapped, images, criterion, epsilons=size)
        end = torch.full_like(batch.labels, steps)
        last.images.append(clipped)
        last.zero_gradient.append(attack.zero_gradient)
        last.nonfinite_gradient.append(attack.nonfinite_gradient)
        last.step.append(end)
        if batch.judge is not None:
            first = attack.distance.clip_perturbation(images, attack.first, size)
            # Clipping can change the last bit; an iterate that does not fool after it gives way to the last one.
            kept = (attack.broke_at >= 0) & (predict(batch.judge, first) != batch.labels)
            best.images.append(torch.where(wide(kept, first), first, clipped))
            best.step.append(torch.where(kept, attack.broke_at, end))
    return last if batch.judge is None else replace(last, best=best)


def ascended(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, steps: int, step: float) -> Tensor:
    """PGD's images of a minibatch to train on, from random starts of torch's global generator, whose state the training
    loop keeps; batch normalisation as in evaluation meanwhile. eps, step: in pixel units."""
    model.eval()
    moved = (x + eps * (2 * torch.rand_like(x) - 1)).clamp(0, 1)
    for _ in range(steps):
        moved.requires_grad_()
        loss = functional.cross_entropy(model(moved), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        moved = moved.detach() + step * gradient.sign()
        moved = torch.minimum(torch.maximum(moved, x - eps), x + eps).clamp(0, 1)
    model.train()
    return moved

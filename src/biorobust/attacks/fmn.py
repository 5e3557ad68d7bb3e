"""The fast minimum-norm attack in L-infinity (Pintor et al. 2021), through Foolbox: the smallest change that fools.

It runs once, whatever the epsilons; for each of them the perturbation is then clipped.
"""

from __future__ import annotations

import eagerpy as ep
import foolbox as fb
import torch
from torch import nn

from biorobust.attacks.crafting import Batch, Crafted
from biorobust.attacks.deepfool import run_once
from biorobust.attacks.gradient import Noted


class TracedFMN(Noted, fb.attacks.LInfFMNAttack):
    """LInfFMN that notes what is wrong with gradients."""

    def normalize(self, gradients: ep.Tensor) -> ep.Tensor:
        return super().normalize(self.usable(gradients))


def craft(view: nn.Module, batch: Batch, *, eps: tuple[float, ...], steps: int) -> Crafted:
    """One run of FMN with Foolbox's settings; images that are wrong from the start stay where they are."""
    none = torch.zeros_like(batch.labels, dtype=torch.bool)
    rows = (~(none if batch.wrong is None else batch.wrong)).nonzero().squeeze(1)
    found = [batch.images.clone() for _ in (None, *eps)]
    zero, bad = none, none
    if len(rows):
        attack = TracedFMN(steps=steps)
        criterion = fb.criteria.Misclassification(batch.labels[rows])
        for whole, part in zip(found, run_once(attack, view, batch.images[rows], criterion, eps), strict=True):
            whole[rows] = part
        assert attack.zero_gradient is not None
        assert attack.nonfinite_gradient is not None
        zero, bad = (none.index_put((rows,), noted) for noted in (attack.zero_gradient, attack.nonfinite_gradient))
    n = len(eps)
    step = none.long().index_put((rows,), torch.full_like(rows, steps))
    return Crafted(
        images=found[1:], zero_gradient=[zero] * n, nonfinite_gradient=[bad] * n, step=[step] * n, raw=found[0]
    )

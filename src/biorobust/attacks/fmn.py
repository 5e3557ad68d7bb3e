"""The fast minimum-norm attack in L-infinity (Pintor et al. 2021), through Foolbox: the smallest change that fools.

It runs once, whatever the epsilons; for each of them the perturbation is then clipped.
"""

from __future__ import annotations

import eagerpy as ep
import foolbox as fb
import torch
from torch import Tensor, nn

from biorobust.attacks.crafting import Batch, Crafted
from biorobust.attacks.deepfool import run_once
from biorobust.attacks.gradient import all_zero, nonfinite


class TracedFMN(fb.attacks.LInfFMNAttack):
    """LInfFMN that notes what is wrong with gradients, (B,) bool each: `zero` at the first step, `bad` at any.

    A pixel whose gradient is NaN or infinite counts as flat.
    """

    zero: Tensor | None = None
    bad: Tensor | None = None

    def normalize(self, gradients: ep.Tensor) -> ep.Tensor:
        bad = nonfinite(gradients.raw)
        self.zero = all_zero(gradients.raw) if self.zero is None else self.zero
        self.bad = bad if self.bad is None else self.bad | bad
        usable = ep.astensor(gradients.raw.nan_to_num(0.0, 0.0, 0.0)) if bad.any() else gradients
        return super().normalize(usable)


def craft(view: nn.Module, batch: Batch, *, eps: tuple[float, ...], steps: int) -> Crafted:
    """One run of FMN with Foolbox's settings; images that are wrong from the start stay where they are."""
    none = torch.zeros_like(batch.labels, dtype=torch.bool)
    rows = (~(none if batch.wrong is None else batch.wrong)).nonzero().squeeze(1)
    found = [batch.images.clone() for _ in (None, *eps)]
    zero, bad = none, none.clone()
    if len(rows):
        attack = TracedFMN(steps=steps)
        criterion = fb.criteria.Misclassification(batch.labels[rows])
        for whole, part in zip(found, run_once(attack, view, batch.images[rows], criterion, eps), strict=True):
            whole[rows] = part
        assert attack.zero is not None
        assert attack.bad is not None
        zero, bad = none.index_put((rows,), attack.zero), bad.index_put((rows,), attack.bad)
    n = len(eps)
    step = none.long().index_put((rows,), torch.full_like(rows, steps))
    return Crafted(
        images=found[1:], zero_gradient=[zero] * n, nonfinite_gradient=[bad] * n, step=[step] * n, raw=found[0]
    )

"""PGD on gradients averaged over a small box (our reading of what breaks networks with jumps; SecML's attack on k-WTA).

One gradient of a network with many small linear pieces says little about the next piece; the mean over points around
the iterate says where the loss rises at that scale. Success is that of the iterate itself, without any of this.
"""

from __future__ import annotations

import math

from torch import nn

from biorobust.attacks.apgd import random_start
from biorobust.attacks.crafting import Batch, Crafted
from biorobust.attacks.losses import ImageLoss
from biorobust.attacks.search import Gradient, Judge, Search, searched

FIRST_STEP, LAST_STEP = 2 / 10, 1 / 100  # in units of epsilon


def craft(
    view: nn.Module,
    batch: Batch,
    *,
    eps: tuple[float, ...],
    loss: ImageLoss,
    steps: int,
    n: int,
    radius: float,
    restarts: int = 1,
) -> Crafted:
    """Steps along the sign of the mean gradient over n points, shrinking from epsilon / 5 to epsilon / 100 (cosine).

    radius: of the box, in units of epsilon. The first run begins at a random point of the ball, later ones at the best
    iterate so far.
    """
    judge = Judge(batch.judge or view, batch)

    def ascended(_: int, search: Search) -> Gradient:
        gradient = Gradient(view, batch, judge, n=n, radius=radius * search.eps)
        for run in range(restarts):
            _ascend(search, gradient, batch, loss, steps=steps if search.eps else 0, run=run)
        return gradient

    return searched(batch, eps, ascended)


def _ascend(search: Search, gradient: Gradient, batch: Batch, loss: ImageLoss, *, steps: int, run: int) -> None:
    rows = search.rows
    x = search.images[rows] if run else random_start(search, batch, run)
    for step in range(steps + 1):
        if not len(rows):
            return
        number = run * (steps + 1) + step
        slope = gradient(x, rows, lambda outputs, labels, _: loss(outputs, labels), step=number)
        left = search.note(x, rows, slope.judged, step=number)
        along = math.cos(math.pi * step / max(steps, 1))
        size = search.eps * (LAST_STEP + (FIRST_STEP - LAST_STEP) * (1 + along) / 2)
        rows, x = rows[left], x[left]
        x = search.project(x + size * slope.gradient[left].sign().to(x.dtype), rows)

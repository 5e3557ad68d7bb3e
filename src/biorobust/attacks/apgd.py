"""Auto-PGD in L-infinity (Croce & Hein 2020, algorithm 1): PGD with momentum that halves its step where it stalls."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from biorobust.attacks import draws
from biorobust.attacks.crafting import Batch, Crafted, wide
from biorobust.attacks.given import best_given
from biorobust.attacks.losses import ImageLoss, TargetedLoss
from biorobust.attacks.search import Gradient, Judge, RowLoss, Search, searched

MOMENTUM = 0.75  # share of the new step; the rest goes on as before
RISING = 0.75  # the step is halved where the loss rose in no larger share of the steps since the last checkpoint


def craft(
    view: nn.Module,
    batch: Batch,
    *,
    eps: tuple[float, ...],
    steps: int,
    loss: ImageLoss | None = None,
    targeted: TargetedLoss | None = None,
    n_targets: int = 0,
    restarts: int = 1,
    draws_of_noise: int = 1,
    warm: bool = False,
) -> Crafted:
    """`restarts` times `steps` steps up a loss, for images that are not broken yet; each from a start of its own.

    loss: of the labels; or targeted, towards the n_targets likeliest wrong classes of the clean image in turn, with as
    many restarts each. draws_of_noise: passes that a gradient is averaged over, for a model with noise. warm: the first
    restart begins at the best of `batch.given` instead of a random point.
    """
    judge = Judge(batch.judge or view, batch)
    goals = _likeliest(judge.model, batch, n_targets) if targeted is not None else [None]

    def ascended(place: int, search: Search) -> Gradient:
        gradient = Gradient(view, batch, judge, n=draws_of_noise)
        if warm:
            best_given(search, judge, batch, place)
        for run, (restart, goal) in enumerate(itertools.product(range(restarts), goals)):
            rows = search.rows
            if not len(rows):
                break
            at = search.images[rows] if warm and restart == 0 else random_start(search, batch, run)
            aimed = _towards(loss, targeted, goal)
            ascend(at, rows, search, gradient, aimed, steps=steps if search.eps else 0, run=run)
        return gradient

    return searched(batch, eps, ascended)


def random_start(search: Search, batch: Batch, number: int) -> Tensor:
    """Points (B', C, H, W) uniform in the ball, for the images that are left."""
    rows = search.rows
    moved = 2 * draws.uniform(batch.keys("start", number)[rows], batch.images.shape[1:]).to(batch.images.dtype) - 1
    return search.project(batch.images[rows] + search.eps * moved, rows)


@torch.no_grad()
def _likeliest(model: nn.Module, batch: Batch, n: int) -> list[Tensor | None]:
    """n tensors (B,): the wrong classes of largest output, the largest first."""
    if batch.repeats > 1:
        torch.manual_seed(draws.number(batch.seed, batch.name, "goals"))
    outputs = model(batch.images)
    ranked = outputs.scatter(1, batch.labels.unsqueeze(1), float("-inf")).argsort(dim=1, descending=True)
    return list(ranked[:, : min(n, outputs.shape[1] - 1)].T)


def _towards(loss: ImageLoss | None, targeted: TargetedLoss | None, goal: Tensor | None) -> RowLoss:
    if targeted is not None and goal is not None:
        return lambda outputs, labels, rows: targeted(outputs, labels, goal[rows])
    if loss is None:
        raise ValueError("give a loss, or a targeted one with n_targets of 1 or more")
    return lambda outputs, labels, rows: loss(outputs, labels)


def checkpoints(steps: int) -> list[int]:
    """After which steps the size is looked at: shares 0, .22, .41, ... of all (section 3.1), never less than one."""
    last, width, found = 0, max(int(0.22 * steps), 1), []
    while last + width <= steps:
        last += width
        found.append(last)
        width = max(width - max(int(0.03 * steps), 1), max(int(0.06 * steps), 1))
    return found


def ascend(x: Tensor, rows: Tensor, search: Search, gradient: Gradient, loss: RowLoss, *, steps: int, run: int) -> None:
    """One run from x (B', C, H, W), points of the images `rows`; what it finds is noted in `search`.

    run: its number, from which steps are counted on.
    """
    first = run * (steps + 1)
    slope = gradient(x, rows, loss, step=first)
    left = search.note(x, rows, slope.judged, step=first)
    size = x.new_full(rows.shape, 2 * search.eps)
    rises, halved = torch.zeros_like(size), torch.zeros_like(left)
    state = [rows, x, x, slope.gradient, slope.loss, x, slope.gradient, slope.loss, slope.loss, size, rises, halved]
    looked_at, last = set(checkpoints(steps)), 0
    for step in range(1, steps + 1):
        if not left.all():
            state = [tensor[left] for tensor in state]
            if not len(state[0]):
                return
        rows, x, before, grad, value, best_x, best_grad, best, checked, size, rises, halved = state
        moved = search.project(x + wide(size, x) * grad.sign().to(x.dtype), rows)
        if step > 1:
            moved = search.project(x + MOMENTUM * (moved - x) + (1 - MOMENTUM) * (x - before), rows)
        slope = gradient(moved, rows, loss, step=first + step)
        left = search.note(moved, rows, slope.judged, step=first + step)
        before, x, grad = x, moved, slope.gradient
        rises = rises + (slope.loss > value)
        value = slope.loss
        better = value > best
        best = torch.where(better, value, best)
        best_x, best_grad = _chosen(better, x, best_x), _chosen(better, grad, best_grad)
        if step in looked_at:
            stalls = rises <= RISING * (step - last)
            halved = stalls | (~halved & (best <= checked))
            size = torch.where(halved, size / 2, size)
            x, grad = _chosen(halved, best_x, x), _chosen(halved, best_grad, grad)
            value = torch.where(halved, best, value)
            checked, last = best, step
            rises = torch.zeros_like(rises)
        state = [rows, x, before, grad, value, best_x, best_grad, best, checked, size, rises, halved]


def _chosen(those: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`new` (B, C, H, W) for those (B,) bool, `old` for the others; nothing is copied where all are of one."""
    return new if those.all() else torch.where(wide(those, new), new, old) if those.any() else old

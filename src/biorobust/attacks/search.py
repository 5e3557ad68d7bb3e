"""What every attack that looks at its own iterates shares: what a model says of points, and who is still to be broken.

Images that are broken leave, so that no pass is spent on them. A model with noise of its own (`batch.repeats` above 1)
is asked one image at a time, all draws of the image in one minibatch, under a seed of its own: what an image gets does
not depend on which others are there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from biorobust.attacks import draws
from biorobust.attacks.crafting import Batch, Crafted
from biorobust.attacks.gradient import all_zero, nonfinite
from biorobust.attacks.losses import margins
from biorobust.attacks.scoring import classes

RowLoss = Callable[[Tensor, Tensor, Tensor], Tensor]  # outputs (B, K), labels, rows of the minibatch (B,) -> (B,)


@dataclass(frozen=True)
class Judged:
    """margin: (B,), of the outputs (their mean, with noise); fooled: (B,) bool, in half of the passes or more."""

    margin: Tensor
    fooled: Tensor


@dataclass(frozen=True)
class Slope:
    """loss: (B,); gradient: (B, C, H, W); judged: what the judge says of the point itself."""

    loss: Tensor
    gradient: Tensor
    judged: Judged


class Judge:
    """The model that is to be fooled, asked about images of one minibatch."""

    def __init__(self, model: nn.Module, batch: Batch) -> None:
        self.model, self.batch = model, batch
        self.keys = batch.keys("judge") if batch.repeats > 1 else None

    @torch.no_grad()
    def __call__(self, x: Tensor, rows: Tensor, *, step: int) -> Judged:
        """x: (B', C, H, W), points of the images `rows` (B',). step: names the draws of noise."""
        labels = self.batch.labels[rows]
        if self.keys is None:
            return judged(self.model(x), labels)
        found = []
        for point, label, key in zip(x, labels, self.keys[rows].tolist(), strict=True):
            draws.begin(draws.number(key, step), x.device)
            found.append(_over_draws(self.model(point.expand(self.batch.repeats, *point.shape)), label))
        return _stacked(found)


def judged(outputs: Tensor, labels: Tensor) -> Judged:
    return Judged(margins(outputs, labels), classes(outputs) != labels)


def _over_draws(outputs: Tensor, label: Tensor) -> Judged:
    labels = label.expand(len(outputs))
    return Judged(margins(outputs, labels).mean(), (classes(outputs) != labels).double().mean() >= 0.5)


def _stacked(found: list[Judged]) -> Judged:
    return Judged(torch.stack([one.margin for one in found]), torch.stack([one.fooled for one in found]))


class Gradient:
    """Mean gradient of a loss over `n` points around the point asked for, and over as many draws of a model's noise.

    radius: the points are uniform in the box that reaches so far in every pixel; 0: all are the point itself, so that
    one is enough for a model without noise. zero: (B,) bool, the first gradient of an image was 0 in every pixel;
    bad: (B,) bool, one of them was NaN or infinite in some pixel; such a pixel counts as flat.
    """

    def __init__(self, view: nn.Module, batch: Batch, judge: Judge, *, n: int = 1, radius: float = 0.0) -> None:
        self.view, self.batch, self.judge, self.radius = view, batch, judge, radius
        self.n = n if radius or batch.repeats > 1 else 1
        self.dtype = precision(view, batch.images.dtype)
        self.keys = batch.keys("gradient") if radius or batch.repeats > 1 else None
        self.zero, self.bad, self.seen = (torch.zeros_like(batch.labels, dtype=torch.bool) for _ in range(3))

    def __call__(self, x: Tensor, rows: Tensor, loss: RowLoss, *, step: int) -> Slope:
        """x: (B', C, H, W), points of the images `rows` (B',). step: names the draws."""
        labels = self.batch.labels[rows]
        if self.batch.repeats > 1:
            value, gradient, said = self._noisy(x, rows, labels, loss, step)
        else:
            value, gradient, said = self._mean(x, rows, labels, loss, step)
        bad, seen = nonfinite(gradient), self.seen[rows]
        if bad.any():
            gradient = gradient.nan_to_num(0.0, 0.0, 0.0)
        if not seen.all():
            self.zero[rows] = torch.where(seen, self.zero[rows], all_zero(gradient) & ~bad)
            self.seen[rows] = True
        self.bad[rows] |= bad
        if said is None:
            return Slope(value, gradient, self.judge(x, rows, step=step))
        if self.batch.repeats > 1 and said.fooled.any():  # by the draws that it was moved with; now by others
            again = self.judge(x[said.fooled], rows[said.fooled], step=step)
            fooled = said.fooled.clone()
            fooled[said.fooled] = again.fooled
            said = Judged(said.margin, fooled)
        return Slope(value, gradient, said)

    def _mean(
        self, x: Tensor, rows: Tensor, labels: Tensor, loss: RowLoss, step: int
    ) -> tuple[Tensor, Tensor, Judged | None]:
        if self.keys is None:
            value, gradient, outputs = self._differentiated(x, labels, rows, loss)
            return value, gradient, judged(outputs, labels) if self.view is self.judge.model else None
        value, gradient = x.new_zeros(len(x)), torch.zeros_like(x, dtype=self.dtype)
        for k in range(self.n):
            near = self._near(x, self.keys[rows], step * self.n + k)
            one, slope, _ = self._differentiated(near, labels, rows, loss)
            value, gradient = value + one, gradient + slope
        return value / self.n, gradient / self.n, None

    def _noisy(
        self, x: Tensor, rows: Tensor, labels: Tensor, loss: RowLoss, step: int
    ) -> tuple[Tensor, Tensor, Judged | None]:
        assert self.keys is not None
        values, gradients, said = [], [], []
        for i, key in enumerate(self.keys[rows].tolist()):
            draws.begin(draws.number(key, step), x.device)
            points = x[i].expand(self.n, *x.shape[1:])
            if self.radius:
                own = torch.tensor([draws.number(key, step, k) for k in range(self.n)], device=x.device)
                points = self._near(points, own, 0)
            value, gradient, outputs = self._differentiated(
                points, labels[i].expand(self.n), rows[i].expand(self.n), loss
            )
            values.append(value.mean())
            gradients.append(gradient.mean(dim=0))
            said.append(_over_draws(outputs, labels[i]))
        own_view = self.view is self.judge.model and not self.radius
        return torch.stack(values), torch.stack(gradients), _stacked(said) if own_view else None

    def _near(self, x: Tensor, keys: Tensor, block: int) -> Tensor:
        moved = 2 * draws.uniform(keys, x.shape[1:], block=block).to(x.dtype) - 1
        return (x + self.radius * moved).clamp(0, 1)

    def _differentiated(self, x: Tensor, labels: Tensor, rows: Tensor, loss: RowLoss) -> tuple[Tensor, Tensor, Tensor]:
        at = x.detach().to(self.dtype).requires_grad_()
        outputs = self.view(at)
        value = loss(outputs, labels, rows)
        (gradient,) = torch.autograd.grad(value.sum(), at)
        return value.detach(), gradient, outputs.detach()


def precision(view: nn.Module, default: torch.dtype) -> torch.dtype:
    """The dtype of a view's numbers: one in float64 gets images, and gives gradients, in float64."""
    tensors = [*view.parameters(), *view.buffers()]
    return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), default)


class Search:
    """The images of a minibatch at one epsilon: who is broken, by what, and the best point of everyone else.

    lower, upper: (B, C, H, W), the ball cut to [0, 1]. images: the point that broke an image, else the one of largest
    margin seen. step: (B,) int64, at which it broke, `-1` where it did not. done: (B,) bool, broken or wrong from the
    start.
    """

    def __init__(self, batch: Batch, eps: float) -> None:
        x = batch.images
        self.eps, self.lower, self.upper = eps, (x - eps).clamp_min(0), (x + eps).clamp_max(1)
        self.images, self.step = x.clone(), torch.full_like(batch.labels, -1)
        self.done = batch.wrong.clone() if batch.wrong is not None else torch.zeros_like(batch.labels, dtype=torch.bool)
        self.margin = torch.full(batch.labels.shape, float("-inf"), dtype=x.dtype, device=x.device)
        self.step[self.done] = 0

    @property
    def rows(self) -> Tensor:
        """(B',) int64: the images that are left."""
        return (~self.done).nonzero().squeeze(1)

    def project(self, x: Tensor, rows: Tensor) -> Tensor:
        """Points (B', C, H, W) of the images `rows`, moved into the ball."""
        whole = len(rows) == len(self.lower)  # then nothing has to be picked out
        return x.clamp(*(bound if whole else bound[rows] for bound in (self.lower, self.upper)))

    def note(self, x: Tensor, rows: Tensor, said: Judged, *, step: int) -> Tensor:
        """Keep what is best of points (B', C, H, W); gives (B',) bool, who is left."""
        margin = said.margin.to(self.margin.dtype)
        better = said.fooled | (margin > self.margin[rows])
        if better.any():
            chosen = rows[better]
            self.images[chosen], self.margin[chosen] = x[better], margin[better]
        if said.fooled.any():
            broken = rows[said.fooled]
            self.done[broken], self.step[broken] = True, step
        return ~said.fooled


def searched(batch: Batch, eps: tuple[float, ...], attack: Callable[[int, Search], Gradient | None]) -> Crafted:
    """The outcome of one search per epsilon. attack: makes it, given its place; gives the gradient it took, if any."""
    searches, zero, bad = [], [], []
    none = torch.zeros_like(batch.labels, dtype=torch.bool)
    for place, size in enumerate(eps):
        search = Search(batch, size)
        if batch.say is not None:
            batch.say(f"epsilon {size:g}, {len(search.rows)} images")
        gradient = attack(place, search)
        searches.append(search)
        zero.append(none if gradient is None else gradient.zero)
        bad.append(none if gradient is None else gradient.bad)
    return Crafted(
        images=[search.images for search in searches],
        zero_gradient=zero,
        nonfinite_gradient=bad,
        step=[search.step.clamp_min(0) for search in searches],
    )

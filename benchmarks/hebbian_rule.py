"""An epoch of the learning rule at the report's size, against the published algorithm and against its one product.

The published algorithm sorts all currents of every image, writes g as a dense matrix, multiplies it with the minibatch
and normalises over the whole of W. It stands below as the reference. What no algorithm avoids is the product V W^T.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import synthetic
from benchmarks.timing import Measurement, fresh, paired

if TYPE_CHECKING:
    from torch import Tensor

LIMITS = {
    "rule, batch 3584, p=2, k=2, against the published algorithm": 0.2,
    "rule, batch 3584, p=2, k=2, against the product alone": 1.3,
    "rule, batch 100, p=2, k=2, against the published algorithm": 0.2,
    "rule, batch 100, p=3, k=7, against the published algorithm": 0.2,
}
DELTA = 0.4
SMALLEST_NORMALISER = 1e-30


@dataclass(frozen=True, kw_only=True)
class Case:
    """One setting of the rule. An epoch is sampled by its first `sampled` minibatches."""

    p: int
    k: int
    learning_rate: float
    batch_size: int
    sampled: int
    repeats: int

    @property
    def name(self) -> str:
        return f"rule, batch {self.batch_size}, p={self.p}, k={self.k}"

    @property
    def scale(self) -> float:
        """Minibatches in an epoch per minibatch sampled."""
        return synthetic.N_TRAIN // self.batch_size / self.sampled


CASES = (
    Case(p=2, k=2, learning_rate=0.02, batch_size=3584, sampled=4, repeats=5),
    Case(p=2, k=2, learning_rate=0.02, batch_size=100, sampled=60, repeats=5),
    Case(p=3, k=7, learning_rate=0.04, batch_size=100, sampled=60, repeats=5),
)


def published_step(weights: Tensor, batch: Tensor, *, learning_rate: float, p: float, k: int, delta: float) -> Tensor:
    """(H, N) weights after one minibatch (B, N), by the published algorithm and in its layout, a row per unit."""
    currents = (weights.sign() * weights.abs() ** (p - 1)) @ batch.T
    ranking = currents.argsort(dim=0)
    g = currents.new_zeros(currents.shape)
    g.scatter_(0, ranking[-1:], 1.0)
    g.scatter_(0, ranking[-k].unsqueeze(0), -delta)
    decay = (g * currents).sum(dim=1, keepdim=True).repeat(1, weights.shape[1])
    change = g @ batch - decay * weights
    return weights + learning_rate * change / change.abs().max().clamp_min(SMALLEST_NORMALISER)


def published_epoch(
    weights: Tensor,
    images: Tensor,
    *,
    order: Tensor,
    batch_size: int,
    learning_rate: float,
    p: float,
    k: int,
    delta: float,
) -> Tensor:
    """(H, N) weights after the full minibatches of float images (M, N) in this order."""
    for chosen in order.split(batch_size):
        if len(chosen) == batch_size:
            batch = images.index_select(0, chosen)
            weights = published_step(weights, batch, learning_rate=learning_rate, p=p, k=k, delta=delta)
    return weights


def measure() -> list[Measurement]:
    return [measurement for case in CASES for measurement in fresh(measure_case, case)]


def measure_case(case: Case) -> list[Measurement]:
    """The measurements of one case, after a check that one minibatch gives the same weights both ways."""
    import torch
    from torch.testing import assert_close

    from biorobust.hebbian import learn

    # All images, though few are visited: buffers of a small data set, once freed, speed up the reference's large ones.
    pixels = synthetic.images(synthetic.N_TRAIN, seed=0)
    floats = pixels.float().div_(255)
    weights = synthetic.units(synthetic.N_HIDDEN, seed=1)
    n_sampled = case.sampled * case.batch_size
    order = torch.randperm(n_sampled, generator=torch.Generator().manual_seed(0))

    def ours(n_images: int = n_sampled) -> Tensor:
        return learn(
            pixels[:n_images],
            n_hidden=len(weights),
            n_epochs=1,
            batch_size=case.batch_size,
            learning_rate=case.learning_rate,
            p=case.p,
            k=case.k,
            delta=DELTA,
            init="uniform",
            generator=torch.Generator().manual_seed(0),
            start=(0, weights.clone()),
        )

    def published(order: Tensor = order) -> Tensor:
        return published_epoch(
            weights,
            floats,
            order=order,
            batch_size=case.batch_size,
            learning_rate=case.learning_rate,
            p=case.p,
            k=case.k,
            delta=DELTA,
        )

    # One minibatch only: over several, a rounding error can change who wins a near tie.
    first = torch.randperm(case.batch_size, generator=torch.Generator().manual_seed(0))
    assert_close(ours(case.batch_size), published(first), rtol=0, atol=1e-5)

    rows = [_timed(f"{case.name}, against the published algorithm", case, ours, published)]
    alone = f"{case.name}, against the product alone"
    if alone in LIMITS:
        batches = floats[:n_sampled].split(case.batch_size)
        rows.append(_timed(alone, case, ours, lambda: [batch @ weights.T for batch in batches]))
    return rows


def _timed(what: str, case: Case, ours: Callable[[], object], reference: Callable[[], object]) -> Measurement:
    return paired(what, ours, reference, repeats=case.repeats, scale=case.scale)

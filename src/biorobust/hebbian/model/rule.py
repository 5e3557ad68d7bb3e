"""Competing hidden units: the fast unsupervised rule of Krotov & Hopfield (PNAS 2019), without labels.

For a minibatch of images v, current I_mu = sum_i sign(W_mu,i) |W_mu,i|^(p-1) v_i. The unit with the largest current is
pulled towards the image (g = 1), the unit of rank k is pushed away (g = -delta), the others keep still (g = 0):

    dS_mu,i = sum_b g_mu,b v_b,i - (sum_b g_mu,b I_mu,b) W_mu,i          W <- W + eps dS / max |dS|

The normaliser max |dS| is one number per minibatch, so the largest weight change of a step is exactly eps. A unit whose
driven updates win (g I > 0) settles on the sphere sum_i |W_mu,i|^p = 1.

g has two non-zeros per image. The matrix product V W^T cannot be avoided; everything else here touches only the rows
that change, which is exact because the other rows of dS are zero.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST_NORMALISER = 1e-30  # an all-black minibatch moves nothing


def initial_weights(init: str, *, n_hidden: int, n_inputs: int, generator: torch.Generator) -> Tensor:
    """(H, N) float32 weights: "uniform" is U[0,1) (the published code), "normal" N(0,1) (the original paper)."""
    shape = (n_hidden, n_inputs)
    if init == "uniform":
        return torch.rand(shape, generator=generator)
    if init == "normal":
        return torch.randn(shape, generator=generator)
    raise ValueError(f"init = {init!r}: must be uniform or normal")


def bracket(weights: Tensor, *, p: float) -> Tensor:
    """sign(W) |W|^(p-1), the weights as they enter the current; W itself (the same tensor) for p = 2."""
    if p == 2:
        return weights
    if p == 3:
        return weights * weights.abs()
    return weights * weights.abs().pow(p - 2)


def step(
    weights: Tensor, powered: Tensor, batch: Tensor, *, learning_rate: float, p: float, k: int, delta: float
) -> None:
    """One minibatch, in place.

    weights: (H, N). powered: `bracket(weights, p=p)`, kept up to date row by row. batch: (B, N) in [0, 1].
    Requires 2 <= k <= H.
    """
    currents = batch @ powered.T
    ranked, units = torch.topk(currents, k, dim=1)
    size = len(batch)
    # First the winners of all images, then their k-th units: entry j belongs to image j mod B.
    rows = torch.cat([units[:, 0], units[:, k - 1]])
    gain = torch.ones(2 * size, dtype=batch.dtype, device=batch.device)
    gain[size:] = -delta
    drive = gain * torch.cat([ranked[:, 0], ranked[:, k - 1]])

    order = torch.argsort(rows)
    changed, counts = torch.unique_consecutive(rows[order], return_counts=True)
    starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)[:-1]])
    # A weighted sum of images per changed unit: a sparse-times-dense product without building the sparse matrix.
    pull = functional.embedding_bag(order % size, batch, starts, mode="sum", per_sample_weights=gain[order])
    decay = torch.zeros(len(weights), dtype=batch.dtype, device=batch.device).index_add_(0, rows, drive)

    old = weights.index_select(0, changed)
    change = pull.addcmul_(decay[changed].unsqueeze(1), old, value=-1)
    lowest, highest = torch.aminmax(change)
    largest = torch.maximum(highest, -lowest).clamp_min(SMALLEST_NORMALISER)
    new = old.add_(change.mul_(learning_rate / largest))
    weights[changed] = new
    if powered is not weights:
        powered[changed] = bracket(new, p=p)


def learn(
    images: Tensor,
    *,
    n_hidden: int,
    n_epochs: int,
    batch_size: int,
    learning_rate: float,
    p: float,
    k: int,
    delta: float,
    init: str,
    generator: torch.Generator,
    start: tuple[int, Tensor] | None = None,
    on_epoch: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """(H, N) weights learned from `images` without labels.

    images: (M, N), uint8 in 0..255 or floating point in [0, 1]; computed in float32, or float64 for float64 images.
    learning_rate: largest weight change of a step in the first epoch; it falls linearly, (1 - e/E) in epoch e of E.
    generator: a CPU generator; draws the weights, then one permutation per epoch. The incomplete last minibatch is
    dropped. `start`: (epochs done, weights) to go on from, with the generator in the state it had then.
    `on_epoch(epochs_done, weights)` is called after every epoch, with the weights that learning goes on changing.

    Raises ValueError when p < 2, k is outside 2..H, delta < 0, or a minibatch would not fit into the images.
    """
    if p < 2 or not 2 <= k <= n_hidden or delta < 0:
        raise ValueError(f"p = {p}, k = {k}, delta = {delta}: need p >= 2, 2 <= k <= {n_hidden} and delta >= 0")
    if not 1 <= batch_size <= len(images):
        raise ValueError(f"batch_size = {batch_size}: must lie in 1..{len(images)}, the number of images")
    dtype = torch.float64 if images.dtype == torch.float64 else torch.float32
    if start is None:
        first = 0
        weights = initial_weights(init, n_hidden=n_hidden, n_inputs=images.shape[1], generator=generator)
    else:
        first, weights = start
    weights = weights.to(images.device, dtype, copy=True)
    powered = bracket(weights, p=p)
    for epoch in range(first, n_epochs):
        rate = learning_rate * (1 - epoch / n_epochs)
        shuffled = torch.randperm(len(images), generator=generator).to(images.device)
        for chosen in shuffled.split(batch_size):
            if len(chosen) == batch_size:
                batch = images.index_select(0, chosen).to(dtype)
                if images.dtype == torch.uint8:
                    batch /= 255
                step(weights, powered, batch, learning_rate=rate, p=p, k=k, delta=delta)
        if on_epoch:
            on_epoch(epoch + 1, weights)
    return weights

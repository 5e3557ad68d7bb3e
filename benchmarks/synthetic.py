"""Made-up images of MNIST's size and sparsity: costs depend on shapes and on who wins, not on what is pictured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

N_TRAIN, N_TEST, N_PIXELS, N_CLASSES, N_HIDDEN = 60_000, 10_000, 784, 10, 2000  # MNIST and the report's network
LIT = 49  # of 256: about 19 % of MNIST's pixels are not black


def images(n: int, *, seed: int) -> Tensor:
    """(n, 784) uint8: pixels lit at random."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    shape = (n, N_PIXELS)
    pixels = torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator)
    # In place, so that a measurement of memory does not see how its data were made.
    return pixels.mul_(torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator) < LIT)


def labels(n: int, *, seed: int) -> Tensor:
    """(n,) int64 classes at random."""
    import torch

    return torch.randint(0, N_CLASSES, (n,), generator=torch.Generator().manual_seed(seed))


def units(n: int, *, seed: int) -> Tensor:
    """(n, 784) float32 weights of length 1 that look like images, as after learning.

    Winners then spread over all units and a minibatch changes most rows: the dearest case for an update by rows.
    """
    from torch.nn import functional

    return functional.normalize(images(n, seed=seed).float(), dim=1)

"""The V1 stage on ImageNet's image size: against the convolutions of the published form, and what its noise costs.

The published form convolves the image with two dense banks of kernels (512, 3, 25, 25), of which two thirds are zeros,
and the second bank's responses of simple cells are not used. It stands below as the reference.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.timing import Measurement, paired

if TYPE_CHECKING:
    from torch import Tensor

    from biorobust.vonenet import VOneBlock

FORWARD = "VOneBlock forward without noise, 224 px, 512 channels, against two dense convolutions"
NOISE = "VOneBlock, its neuronal noise, against the whole forward pass with noise"
LIMITS = {FORWARD: 0.45, NOISE: 0.22}
BATCH, SIZE = 2, 224


def dense(block: VOneBlock) -> tuple[Tensor, Tensor]:
    """Both banks (n, 3, k, k) of the published form: each kernel in its channel, zeros in the others.

    Quadrature partners of simple cells, which change nothing, are their own kernels.
    """
    import torch

    n, n_simple = block.simple_channels + block.complex_channels, block.simple_channels
    partners = [*range(n_simple), *range(n, len(block.kernels))]
    banks = torch.zeros(2, n, 3, block.ksize, block.ksize, dtype=block.kernels.dtype)
    for bank, kernels in zip(banks, (range(n), partners), strict=True):
        for cell, kernel in enumerate(kernels):
            bank[cell, block.colours[kernel]] = block.kernels[kernel]
    return banks[0], banks[1]


def convolutions(block: VOneBlock, banks: tuple[Tensor, Tensor], x: Tensor) -> list[Tensor]:
    """The two dense convolutions (B, n, h, w)."""
    from torch.nn import functional

    return [functional.conv2d(x, bank, stride=block.stride, padding=block.ksize // 2) for bank in banks]


def published(block: VOneBlock, banks: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
    """Responses before noise as the formulas of the paper read: rectified, and root mean square of a pair."""
    import torch

    even, odd = convolutions(block, banks, x)
    simple = even[:, : block.simple_channels].clamp(min=0)
    pairs = even[:, block.simple_channels :], odd[:, block.simple_channels :]
    complex_ = torch.sqrt(pairs[0] ** 2 + pairs[1] ** 2) / math.sqrt(2)
    return block.k_exc * torch.cat([simple, complex_], dim=1)


def measure() -> list[Measurement]:
    import torch

    from biorobust.vonenet import VOneBlock
    from biorobust.vonenet.model.block import add_noise, live_noise

    block = VOneBlock(image_size=SIZE)
    banks = dense(block)
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(BATCH, 3, SIZE, SIZE, generator=generator) - 1
    responses = block.responses(x)
    torch.testing.assert_close(responses, published(block, banks, x), rtol=1e-4, atol=1e-4)

    def silent() -> Tensor:
        with block.noise("none"):
            return block(x)

    def noise() -> Tensor:
        source = partial(live_noise, generator=generator)
        return add_noise(responses, mode="neuronal", scale=block.noise_scale, level=block.noise_level, source=source)

    def noisy() -> Tensor:
        with block.noise(generator=generator):
            return block(x)

    return [
        paired(FORWARD, silent, lambda: convolutions(block, banks, x), repeats=9),
        paired(NOISE, noise, noisy, repeats=15),
    ]

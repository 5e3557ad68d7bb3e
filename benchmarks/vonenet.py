"""The V1 stage on ImageNet's image size: against the convolutions of the published form, what its noise costs, and
what many draws of it for one image do.

The published form convolves the image with two dense banks of kernels (512, 3, 25, 25), of which two thirds are zeros,
and the second bank's responses of simple cells are not used. It stands below as the reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.timing import Measurement, paired

if TYPE_CHECKING:
    from torch import Tensor

    from biorobust.question.model.networks import ConvNet
    from biorobust.vonenet import VOneBlock

FORWARD = "VOneBlock forward without noise, 224 px, 512 channels, against two dense convolutions"
NOISE = "VOneBlock, its neuronal noise, against the whole forward pass with noise"
DRAWS = "a gradient over 16 draws of noise for one digit, V1 stage and small body, against what comes behind the stage"
LIMITS = {FORWARD: 0.45, NOISE: 0.22, DRAWS: 2.0}
BATCH, SIZE, N_DRAWS = 2, 224, 16


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


def fronted() -> ConvNet:
    """The comparison's network for digits behind a noisy V1 stage, with random weights."""
    from biorobust.question.model.networks import ConvNet, build

    v1: dict[str, float] = {"simple_channels": 32, "complex_channels": 32, "ksize": 15, "stride": 2}
    v1 |= {"image_size": 28, "visual_degrees": 28 / 32, "noise_scale": 0.35, "noise_level": 0.07}
    made = build({"dataset": "mnist", "n_classes": 10, "width": 16, "gamma": None, "front": "v1", "v1": v1})
    assert isinstance(made, ConvNet)
    return made.eval().requires_grad_(False)


def gradient(model: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Of the summed logits."""
    import torch

    points = x.detach().requires_grad_()
    return torch.autograd.grad(model(points).sum(), points)[0]


def measure() -> list[Measurement]:
    import torch
    from torch import nn

    from biorobust.question.model.networks import V1Stage
    from biorobust.vonenet import VOneBlock
    from biorobust.vonenet.model.block import add_noise, live_noise

    block = VOneBlock(image_size=SIZE)
    banks = dense(block)
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(BATCH, 3, SIZE, SIZE, generator=generator) - 1
    responses = block.responses(x)
    torch.testing.assert_close(responses, published(block, banks, x), rtol=1e-4, atol=1e-4)

    model, expanded = fronted(), torch.rand(1, 1, 28, 28, generator=generator).expand(N_DRAWS, 1, 28, 28)
    assert isinstance(model.stem, V1Stage)
    behind = nn.Sequential(model.stem.mix, model.features, model.head)  # every draw has to pass through it
    drawn = model.stem.block(2 * expanded - 1)

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
        paired(DRAWS, lambda: gradient(model, expanded), lambda: gradient(behind, drawn), repeats=25),
    ]

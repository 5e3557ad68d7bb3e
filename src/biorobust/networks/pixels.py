"""What happens to images before a network's first layer, differentiably: resizing and normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def once(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`layer` on a minibatch (B, ...), which it takes image by image; on one image where that is `expand`ed to B.

    So attacks on a model with noise, which ask for many passes of one image, pay once for what comes before the noise.
    """
    if len(x) == 1 or x.stride(0) != 0:
        return layer(x)
    y = layer(x[:1])
    return y.expand(len(x), *y.shape[1:])


def filtered(x: Tensor, weights: Tensor, *, stride: int) -> Tensor:
    """The convolution of images (B, C, H, W) with filters (F, C, k, k), k odd, padded by k // 2 pixels.

    With few large filters on one channel the gradient to the image comes from one matrix product over all patches in
    less than half of the time that it takes through a convolution.
    """
    size = weights.shape[-1]
    if not x.requires_grad or x.shape[1] > 1:
        return functional.conv2d(x, weights, stride=stride, padding=size // 2)
    patches = functional.unfold(x, size, stride=stride, padding=size // 2)
    height = (x.shape[-2] - 1) // stride + 1
    return (weights.flatten(1) @ patches).unflatten(2, (height, -1))


class Resize(nn.Module):
    """Bilinear to (size, size), antialiased where it shrinks; images of that size pass as they are."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] == (self.size, self.size):
            return x
        return functional.interpolate(x, self.size, mode="bilinear", antialias=max(x.shape[-2:]) > self.size)


class Normalise(nn.Module):
    """(x - mean) / std per channel. Constants, not part of the state dict, whose names stay torchvision's."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

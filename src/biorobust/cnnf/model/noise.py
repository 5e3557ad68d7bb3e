"""What images are spoilt with: "random noise" of a kind and level that the report does not give, and blur."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional


def gaussian(images: Tensor, level: float, generator: torch.Generator | None = None) -> Tensor:
    """Standard deviation `level`."""
    return images.add(torch.empty_like(images).normal_(generator=generator), alpha=level).clamp_(0, 1)


def uniform(images: Tensor, level: float, generator: torch.Generator | None = None) -> Tensor:
    """Uniform between -level and level."""
    return images.add(torch.empty_like(images).uniform_(-1, 1, generator=generator), alpha=level).clamp_(0, 1)


def salt_and_pepper(images: Tensor, level: float, generator: torch.Generator | None = None) -> Tensor:
    """Each pixel becomes 0 or 1, either one with probability level / 2."""
    draw = torch.empty_like(images).uniform_(generator=generator)
    return torch.where(draw < level / 2, 0, torch.where(draw > 1 - level / 2, 1, images))


def blur(images: Tensor, sigma: float) -> Tensor:
    """Images (N, C, H, W) under a Gaussian of `sigma` pixels, cut off at four of them; 0 leaves them as they are.

    Pixels beyond the edge are those at the edge, so that a constant image stays one.
    """
    if sigma == 0:
        return images
    reach = math.ceil(4 * sigma)
    steps = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    weights = torch.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    flat = functional.pad(images.flatten(0, 1).unsqueeze(1), [reach] * 4, mode="replicate")
    rows = functional.conv2d(flat, weights.view(1, 1, 1, -1))
    return functional.conv2d(rows, weights.view(1, 1, -1, 1)).view_as(images).clamp_(0, 1)


# (images in [0, 1], level in pixel units, generator) -> noisy images in [0, 1].
KINDS: Mapping[str, Callable[..., Tensor]] = {
    "gaussian": gaussian,
    "uniform": uniform,
    "salt-and-pepper": salt_and_pepper,
}

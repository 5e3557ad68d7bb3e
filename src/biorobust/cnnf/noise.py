"""Pixel noise: what the report adds to its images, "random noise" of a kind and level it does not give."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def gaussian(images: Tensor, level: float, generator: torch.Generator | None = None) -> Tensor:
    """Standard deviation `level`."""
    noise = torch.empty_like(images).normal_(generator=generator)
    return images.add(noise, alpha=level).clamp_(0, 1)


def uniform(images: Tensor, level: float, generator: torch.Generator | None = None) -> Tensor:
    """Uniform between -level and level."""
    noise = torch.empty_like(images).uniform_(-1, 1, generator=generator)
    return images.add(noise, alpha=level).clamp_(0, 1)


def salt_and_pepper(images: Tensor, level: float, generator: torch.Generator | None = None) -> Tensor:
    """Each pixel becomes 0 or 1, either one with probability level / 2."""
    draw = torch.empty_like(images).uniform_(generator=generator)
    return torch.where(draw < level / 2, 0, torch.where(draw > 1 - level / 2, 1, images))


# (images in [0, 1], level in pixel units, generator) -> noisy images in [0, 1].
KINDS: Mapping[str, Callable[..., Tensor]] = {
    "gaussian": gaussian,
    "uniform": uniform,
    "salt-and-pepper": salt_and_pepper,
}

"""Perturbations without an attack, as controls."""

from __future__ import annotations

import torch
from torch import Tensor


def signs(images: Tensor, distance: Tensor | float, generator: torch.Generator) -> Tensor:
    """Every pixel moved up or down by `distance`, by the toss of a coin, and clipped to [0, 1].

    The control of equal L-infinity size for an adversarial perturbation: every pixel uses up the whole size, as after
    FGSM. images: (B, C, H, W) in [0, 1]; distance: one for all or (B,), 0 or more; generator: on the CPU, so that the
    coins fall alike on every device.
    """
    size = torch.as_tensor(distance, dtype=images.dtype, device=images.device)
    if (size < 0).any():
        raise ValueError("distance must be 0 or more")
    coins = torch.randint(0, 2, images.shape, generator=generator).to(images)
    return (images + size.reshape(-1, *[1] * (images.ndim - 1)) * (2 * coins - 1)).clamp(0, 1)

"""Random changes of whole minibatches of training images, where the images are; numbers from torch's generator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def crop_and_flip(images: Tensor, *, padding: int) -> Tensor:
    """Each image (B, C, H, W) shifted by up to `padding` pixels with zeros moving in, and mirrored half of the time."""
    b, _, height, width = images.shape
    device = images.device
    top, left = torch.randint(0, 2 * padding + 1, (2, b, 1, 1), device=device)
    mirrored = torch.rand(b, 1, 1, device=device) < 0.5
    column = torch.arange(width, device=device)
    rows = top + torch.arange(height, device=device)[:, None]
    columns = left + torch.where(mirrored, width - 1 - column, column)
    padded = functional.pad(images, (padding,) * 4)
    return padded[torch.arange(b, device=device)[:, None, None], :, rows, columns].permute(0, 3, 1, 2)

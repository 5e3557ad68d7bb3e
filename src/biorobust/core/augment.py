"""Augmentation of whole minibatches on their device: every image gets a crop and a flip of its own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def crop_and_flip(images: Tensor, *, padding: int, flip: bool = True, edges: str = "zeros") -> Tensor:
    """Images (B, C, H, W) of any dtype, each shifted by up to `padding` pixels and mirrored half of the time.

    Draws from torch's global generator on the CPU, so that a resumed training, and another device, sees the same.
    padding: pixels, 0 for no shift. flip: whether images are mirrored. edges: what moves in, "zeros" or, reflected at
    its edge, the image itself ("reflect").
    """
    if not padding and not flip:
        return images
    b, _, height, width = images.shape
    top, left = torch.randint(0, 2 * padding + 1, (2, b, 1, 1)).to(images.device)
    rows = top + torch.arange(height, device=images.device)[:, None]
    columns = torch.arange(width, device=images.device).expand(b, 1, width)
    if flip:
        mirrored = (torch.rand(b, 1, 1) < 0.5).to(images.device)
        columns = torch.where(mirrored, columns.flip(2), columns)
    each, columns = torch.arange(b, device=images.device)[:, None, None], left + columns
    if edges == "reflect":
        source, rows, columns = images, _reflected(rows - padding, height), _reflected(columns - padding, width)
    else:
        source = functional.pad(images, (padding,) * 4)
    return source[each, :, rows, columns].permute(0, 3, 1, 2)


def _reflected(places: Tensor, n: int) -> Tensor:
    """Places outside 0..n-1 as their mirror images inside, the outermost pixel not repeated."""
    return (n - 1) - ((n - 1) - places.abs()).abs()

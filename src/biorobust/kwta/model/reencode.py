"""Saving images as JPEG once more: the mirror's CIFAR-10 went through it, and this measures what that may change."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def jpeg(images: Tensor, *, quality: int) -> Tensor:
    """uint8 (N, 3, H, W) encoded with `quality` (1 to 95, chroma subsampled) and decoded again, on the same device."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"jpeg needs uint8 (N, 3, H, W), not {images.dtype} of shape {tuple(images.shape)}")
    changed = np.empty((len(images), *images.shape[2:], 3), np.uint8)
    for place, image in zip(changed, images.permute(0, 2, 3, 1).cpu().numpy(), strict=True):
        with io.BytesIO() as stream:
            Image.fromarray(image).save(stream, "JPEG", quality=quality)
            place[:] = np.asarray(Image.open(stream))
    return torch.from_numpy(changed).permute(0, 3, 1, 2).contiguous().to(images.device)

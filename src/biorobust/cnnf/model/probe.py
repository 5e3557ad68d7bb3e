"""What feedback does to attacked letters, in numbers per cycle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from biorobust import attacks
from biorobust.attacks.crafting import Batch, unless_broken
from biorobust.cnnf.model import evaluation
from biorobust.cnnf.model.network import FeedbackNetwork


def attacked(
    model: FeedbackNetwork,
    images: Tensor,
    labels: Tensor,
    *,
    attack: str,
    eps: Sequence[float],
    seed: int,
    batch_size: int = 500,
) -> list[Tensor]:
    """Adversarial copies (N, C, H, W) of the images, one per epsilon; gradients go through all cycles."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        crafted = attacks.get(attack).craft(model, Batch(images=x, labels=y, generator=generator), eps=tuple(eps))
        parts.append([unless_broken(changed, x) for changed in crafted.images])
    return [torch.cat(versions) for versions in zip(*parts, strict=True)]


def entry(model: FeedbackNetwork, clean: Tensor, labels: Tensor, versions: Sequence[Tensor]) -> dict[str, list[Any]]:
    """The contract's lists, each with one item per version (N, C, H, W) of the clean images."""
    found: dict[str, list[Any]] = {}
    for images in versions:
        logits, back = evaluation.cycle_logits(model, images), evaluation.reconstruct(model, images)
        same = torch.equal(images, clean)
        row = {
            "cycle_accuracy": (logits.argmax(dim=-1) == labels).double().mean(dim=1).tolist(),
            "margin": evaluation.margins(logits, labels),
            "changed": evaluation.changes(logits),
            "image_psnr": None if same else evaluation.psnr(images, clean),
            "psnr": [evaluation.psnr(pixels, clean) for pixels in back.pixels],
            "reconstruction_rms": back.reconstruction_rms,
        }
        for key, value in row.items():
            found.setdefault(key, []).append(value)
    return found

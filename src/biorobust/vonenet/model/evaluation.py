"""What a classifier gets right on the test images, under its own noise and under other noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from biorobust.core import results, training
from biorobust.vonenet.model import models

MODES = ("none", "neuronal")


def predict(model: nn.Module, images: Tensor, *, batch_size: int, mode: str | None = None) -> Tensor:
    """(N,) predicted classes for images (N, 3, H, W), uint8 or in [0, 1]; `mode`: noise, the network's own by default.

    Noise comes from a generator of its own: what is measured does not depend on how much noise training has used up.
    """
    mode = mode or own_noise(model)
    generator = None if mode == "none" else torch.Generator(images.device).manual_seed(0)
    with models.noise(model, mode, generator=generator):
        return training.predict(model, images, batch_size=batch_size)


def own_noise(model: nn.Module) -> str:
    """The noise of the network's V1 stage; "none" without such a stage."""
    block = models.v1(model)
    return block.noise_mode if block else "none"


def seed_entry(
    seed: int,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    batch_size: int,
    diverged: bool = False,
) -> dict[str, Any]:
    """`results.seed_entry` under the network's own noise, and `under_noise`: the same images under each of MODES."""
    own = predict(model, images, batch_size=batch_size)
    entry = results.seed_entry(seed, own, labels, diverged=diverged)
    if models.v1(model) is None:
        return entry | {"under_noise": None}
    under = {
        mode: own if mode == own_noise(model) else predict(model, images, batch_size=batch_size, mode=mode)
        for mode in MODES
    }
    return entry | {"under_noise": {mode: results.proportion(classes, labels) for mode, classes in under.items()}}

"""Normalisation statistics for a network that is not trained, so that its layers have responses of ordinary size."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from biorobust.core.training import as_float


@torch.no_grad()
def calibrate(model: nn.Module, images: Tensor, *, batch_size: int) -> None:
    """Set every batch normalisation's running mean and variance to the average over `images`; leaves eval mode.

    images: (N, C, H, W), uint8 or in [0, 1]. Weights stay as they are.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: the plain average of all minibatches
    model.train()
    for part in images.split(batch_size):
        model(as_float(part))
    model.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum

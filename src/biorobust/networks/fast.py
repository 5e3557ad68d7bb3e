"""A small network for 32-pixel photographs that learns CIFAR-10 in seconds on two cores; ours, no report has it.

Its layout follows the speed runs of Page (2018) and Jordan (2024, arXiv:2404.00498), at a fraction of their width: a
frozen convolution that whitens 2x2 patches, then three blocks of two 3x3 convolutions each.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from biorobust.core.errors import BiorobustError

PATCH = 2  # pixels, of what is whitened
VARIANCE = 5e-4  # added to the variance of every component, so that the faintest are not blown up
TEMPERATURE = 3.0  # the logits are divided by it


class FastNet(nn.Module):
    """(B, 3, H, W) with H, W of 9 or more -> logits (B, n_classes).

    width: channels of the first block; the other two have four times as many. activation: makes each of the seven
    activations, ReLU by default. The first convolution does not learn: `whiten` sets it from images, once, before
    training; its weights are part of the state dict.
    """

    def __init__(self, *, n_classes: int = 10, width: int = 16, activation: Callable[[], nn.Module] = nn.ReLU) -> None:
        super().__init__()
        if width < 1:
            raise BiorobustError(f"width = {width}: must be 1 or more channels")
        n_whitened = 2 * 3 * PATCH**2  # every component with both signs
        self.whitening = nn.Conv2d(3, n_whitened, PATCH).requires_grad_(False)
        self.activation = activation()
        self.blocks = nn.Sequential(
            _block(n_whitened, width, activation),
            _block(width, 4 * width, activation),
            _block(4 * width, 4 * width, activation),
        )
        self.head = nn.Linear(4 * width, n_classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.activation(self.whitening(x)))
        logits: Tensor = self.head(x.amax(dim=(2, 3))) / TEMPERATURE
        return logits

    @torch.no_grad()
    def whiten(self, images: Tensor) -> None:
        """Set the first convolution from images (N, 3, H, W) in [0, 1].

        Over all their patches its first 12 outputs then have mean 0, are uncorrelated, and have variance 1 where that
        of the patches is well above VARIANCE; the other 12 are the same with the other sign.
        """
        patches = functional.unfold(images.double(), PATCH).transpose(1, 2).flatten(0, 1)
        variances, components = torch.linalg.eigh(patches.T.cov())
        filters = (components / (variances + VARIANCE).sqrt()).T
        filters = torch.cat([filters, -filters])
        self.whitening.weight.copy_(filters.view_as(self.whitening.weight))
        assert self.whitening.bias is not None
        self.whitening.bias.copy_(-filters @ patches.mean(dim=0))


def _block(n_inputs: int, n_outputs: int, activation: Callable[[], nn.Module]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_inputs, n_outputs, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(n_outputs),
        activation(),
        nn.Conv2d(n_outputs, n_outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(n_outputs),
        activation(),
    )

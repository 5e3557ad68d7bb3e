"""CNN-F networks in float64 whose biases are not 0, as they are at the start."""

import torch
from torch import nn


def network(kind, *, seed=0, fuse=True, **options):
    """A network of 5 classes with some cycles; fuse False: one that composes its layers."""
    torch.manual_seed(seed)
    model = kind(5, **({"cycles": 2, "residual": 0.3} | options)).double()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, std=0.3)
    for block in model.blocks:
        block.fuse = fuse and getattr(block, "fuse", False)
    return model.eval()

"""Made files of the layouts of official weights: a narrow VOneResNet50 and a narrow torchvision ResNet50."""

import argparse

import torch

from biorobust.core.files import sha256
from biorobust.vonenet import resnet50, voneresnet50

FLAGS = {
    "arch": "resnet50", "stride": 4, "simple_channels": 6, "complex_channels": 4, "k_exc": 25, "noise_mode": "neuronal",
    "noise_scale": 0.35, "noise_level": 0.07, "visual_degrees": 8, "ksize": 25,
}  # fmt: skip


def official(*, n_classes=5, prefix="module.", flags=FLAGS, extra=None):
    """What an official file holds: two dense banks (10, 3, 7, 7), each filter in a channel of its bank's own."""
    torch.manual_seed(0)
    body = voneresnet50(n_classes=n_classes, width=4, simple_channels=6, complex_channels=4, ksize=7).body
    state = {name: tensor for name, tensor in body.state_dict().items() if not name.startswith("vone_block")}
    for bank, shift in (("q0", 0), ("q1", 1)):
        weights = torch.zeros(10, 3, 7, 7)
        for i in range(10):
            weights[i, (i * 7 + shift * (i % 2)) % 3] = torch.randn(7, 7)
        state[f"vone_block.simple_conv_{bank}.weight"] = weights
    state |= extra or {}
    content = {"epoch": 70, "flags": argparse.Namespace(**flags) if flags is not None else None}
    return content | {"state_dict": {prefix + name: tensor for name, tensor in state.items()}}


def torchvision_file(folder, *, n_classes):
    """A ResNet50 in `folder` under a name that ends, as torchvision's do, with the first digits of its SHA-256."""
    torch.manual_seed(0)
    path = folder / "resnet50.pth"
    torch.save(resnet50(n_classes=n_classes, width=4).body.state_dict(), path)
    return path.rename(folder / f"resnet50-{sha256(path)[:8]}.pth")

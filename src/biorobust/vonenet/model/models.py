"""The study's classifiers: ResNets on pixels, and ResNets whose stem is a VOneBlock, with numbered convolutions; and
those that others trained on ImageNet."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from biorobust.core.errors import BiorobustError
from biorobust.core.training import as_float
from biorobust.networks.pixels import IMAGENET_MEAN, IMAGENET_STD, Normalise, Resize, once
from biorobust.networks.resnet import ResNet
from biorobust.networks.weights import fill, foreign, read, without_prefix
from biorobust.vonenet.model.block import VOneBlock

GREY = (0.5, 0.5, 0.5)
TOLERANCE = 1e-3  # how far pixels may lie outside [0, 1], for the rounding of an attack


class PixelResNet(ResNet):
    """A ResNet on images in [0, 1], normalised inside as for ImageNet."""

    def __init__(self, depth: int, **layout: Any) -> None:
        super().__init__(depth, **layout)
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.normalise(x))


class VOneResNet(nn.Module):
    """Images in [0, 1], scaled to [-1, 1], to a VOneBlock, a 1x1 convolution to `width` channels, a ResNet's stages."""

    def __init__(self, depth: int, block: VOneBlock, *, n_classes: int, width: int) -> None:
        super().__init__()
        self.normalise = Normalise(GREY, GREY)
        self.vone_block = block
        self.bottleneck = nn.Conv2d(block.simple_channels + block.complex_channels, width, 1, bias=False)
        nn.init.kaiming_normal_(self.bottleneck.weight, mode="fan_out", nonlinearity="relu")
        self.model = ResNet(depth, n_classes=n_classes, width=width, stem="none")

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(self.bottleneck(self.vone_block(once(self.normalise, x))))
        return logits


class Classifier(nn.Module):
    """Images (B, 3, H, W) in [0, 1] of any size -> logits: `resize`, then `body`, which normalises. Raises
    BiorobustError for other values, such as normalised ones.
    """

    def __init__(self, resize: Resize, body: PixelResNet | VOneResNet) -> None:
        super().__init__()
        self.resize, self.body = resize, body

    def forward(self, x: Tensor) -> Tensor:
        low, high = (float(value) for value in x.detach().aminmax()) if x.is_floating_point() else (0.0, 255.0)
        if low < -TOLERANCE or high > 1 + TOLERANCE:
            raise BiorobustError(
                f"images hold values from {low:.3g} to {high:.3g}: must be in [0, 1], the model normalises them itself"
            )
        logits: Tensor = self.body(once(self.resize, x))
        return logits


def resnet(
    depth: int, *, n_classes: int = 1000, width: int = 64, stem: str = "imagenet", image_size: int = 224
) -> Classifier:
    """With fresh weights; torchvision's at width 64 and stem "imagenet". 20 convolutions of depth 18, 53 of 50."""
    return Classifier(Resize(image_size), PixelResNet(depth, n_classes=n_classes, width=width, stem=stem))


def voneresnet(depth: int, *, n_classes: int = 1000, width: int = 64, image_size: int = 224, **v1: Any) -> Classifier:
    """The same with the stem replaced by a VOneBlock with the keywords `v1` and a 1x1 convolution."""
    block = VOneBlock(image_size=image_size, **v1)
    return Classifier(Resize(image_size), VOneResNet(depth, block, n_classes=n_classes, width=width))


resnet18, resnet50 = partial(resnet, 18), partial(resnet, 50)
voneresnet18, voneresnet50 = partial(voneresnet, 18), partial(voneresnet, 50)
NETWORKS = {"resnet50": resnet50, "resnet18": resnet18, "voneresnet50": voneresnet50, "voneresnet18": voneresnet18}


def build(config: Mapping[str, Any]) -> Classifier:
    """The model of a configuration: `network` of NETWORKS, and its keywords. Raises BiorobustError for others."""
    if (name := config.get("network")) not in NETWORKS:
        raise BiorobustError(f"network = {name!r}: must be one of {', '.join(NETWORKS)}")
    return NETWORKS[name](**{key: value for key, value in config.items() if key != "network"})


def convolutions(model: Classifier) -> dict[str, nn.Conv2d]:
    """Name -> convolution in order of execution; the position in this order is the report's layer number.

    Names are torchvision's: `conv1` (`bottleneck` in a VOne net), `layer1.0.conv1`, ... The V1 filters are not in it.
    """
    named = model.body.named_modules()
    return {name.removeprefix("model."): module for name, module in named if isinstance(module, nn.Conv2d)}


def conv_names(model: Classifier) -> list[str]:
    return list(convolutions(model))


def norms(model: Classifier) -> dict[str, nn.BatchNorm2d]:
    """Name of a convolution -> the batch normalisation behind it; a VOne net's `bottleneck` has none."""
    modules = {name.removeprefix("model."): module for name, module in model.body.named_modules()}
    behind = {name: name.replace("conv", "bn").replace("downsample.0", "downsample.1") for name in conv_names(model)}
    return {name: layer for name in behind if isinstance(layer := modules[behind[name]], nn.BatchNorm2d)}


def v1(model: nn.Module) -> VOneBlock | None:
    """The model's V1 stage, None for a model on pixels."""
    return next((module for module in model.modules() if isinstance(module, VOneBlock)), None)


def noise(model: nn.Module, mode: str | None = None, **numbers: Any) -> AbstractContextManager[None]:
    """`VOneBlock.noise` of the model's V1 stage; without effect where there is no such stage, or none with noise."""
    block = v1(model)
    if block is None or (mode is None and block.noise_mode == "none"):
        return contextlib.nullcontext()
    return block.noise(mode, **numbers)


@torch.no_grad()
def calibrate(model: nn.Module, images: Tensor, *, batch_size: int) -> None:
    """Set every batch normalisation's running mean and variance to the average over `images`, (N, C, H, W), uint8 or in
    [0, 1]; for a network that is not trained, whose layers then have responses of ordinary size.
    """
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.reset_running_stats()
        norm.momentum = None  # torch: the plain average of all minibatches
    model.train()
    for part in images.split(batch_size):
        model(as_float(part))
    model.eval()


# --- networks that others trained on ImageNet: files of the VOneNet authors, and torchvision's ResNet50 ---------------

DROPPED = ("vone_block.div_u.weight", "vone_block.div_t.weight")  # in the adversarially trained file; unused
BANKS = ("vone_block.simple_conv_q0.weight", "vone_block.simple_conv_q1.weight")
# Of a file: what `build` takes, and the tensors of the network's `body`.
Imported = tuple[dict[str, Any], dict[str, Tensor]]


@foreign
def filled(path: Path, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Classifier:
    """The network of a file, in eval mode. Raises BiorobustError for tensors of another network."""
    model = build(config)
    fill(model.body, state, path=path)
    return model.eval()


@foreign
def read_official(path: Path) -> Imported:
    """VOneResNet50 with the weights, filters and noise of an official file, under our names.

    Each filter is reduced to its one non-zero input channel. Raises BiorobustError when the file is missing, damaged,
    of another layout, or holds more than tensors and flags.
    """
    content = read(path, classes=(argparse.Namespace,))
    flags = content["flags"] if isinstance(content["flags"], Mapping) else vars(content["flags"])
    simple, complex_ = int(flags["simple_channels"]), int(flags["complex_channels"])
    state = without_prefix(content["state_dict"])
    for name in DROPPED:
        state.pop(name, None)
    banks = [_single_channel(state.pop(name), f"{path}: {name}") for name in BANKS]
    for name, (first, second) in zip(("kernels", "colours"), zip(*banks, strict=True), strict=True):
        state[f"vone_block.{name}"] = torch.cat([first, second[simple:]])
    kernels = state["vone_block.kernels"]
    if len(kernels) != simple + 2 * complex_:
        raise BiorobustError(f"{path}: its flags name {simple + complex_} V1 channels, its filters are others")
    config = {
        "network": "voneresnet50",
        "n_classes": len(state["model.fc.bias"]),
        "width": len(state["bottleneck.weight"]),
        "image_size": 224,
        "visual_degrees": 8.0,
        "simple_channels": simple,
        "complex_channels": complex_,
        "ksize": kernels.shape[-1],
        "stride": int(flags["stride"]),
        "noise": flags["noise_mode"] or "none",
    }
    return config | {name: float(flags[name]) for name in ("k_exc", "noise_scale", "noise_level")}, state


@foreign
def read_torchvision(path: Path) -> Imported:
    """ResNet50 with torchvision's weights. Raises BiorobustError as `read_official` does."""
    state = read(path)
    config = {"network": "resnet50", "n_classes": len(state["fc.bias"]), "width": len(state["conv1.weight"])}
    return config | {"stem": "imagenet", "image_size": 224}, state


READERS = {"resnet": read_torchvision, "vonenet": read_official}  # by the method of a run


def load_official(path: str | Path) -> Classifier:
    """The network of `read_official`, in eval mode."""
    return filled(path, *read_official(path))


def load_official_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Its tensors, under the names of `voneresnet50().body`."""
    return read_official(path)[1]


def load_torchvision(path: str | Path) -> Classifier:
    """The network of `read_torchvision`, in eval mode."""
    return filled(path, *read_torchvision(path))


def _single_channel(weights: Tensor, where: str) -> tuple[Tensor, Tensor]:
    """Filters (n, k, k) and their channels (n,) from dense ones (n, 3, k, k) that are zero in all channels but one."""
    used = weights.flatten(2).ne(0).any(dim=2)
    if len(wrong := (used.sum(dim=1) != 1).nonzero()):
        raise BiorobustError(f"{where}: filter {int(wrong[0])} must have exactly one non-zero channel")
    channels = used.int().argmax(dim=1)
    return weights[torch.arange(len(weights)), channels], channels

"""The study's classifiers: ResNet18, AlexNet and our small fast network, that resize inside, with ReLU or k-WTA."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from biorobust.kwta.model.operator import KWTA, replace_relu, spread
from biorobust.kwta.model.params import FAST
from biorobust.kwta.model.surrogates import attack_views
from biorobust.networks.alexnet import AlexNet
from biorobust.networks.fast import FastNet
from biorobust.networks.pixels import IMAGENET_MEAN, IMAGENET_STD, Normalise, Resize
from biorobust.networks.resnet import ResNet

__all__ = ["Classifier", "attack_views", "build"]

STEMS: dict[str, Literal["imagenet", "small"]] = {"resnet18": "imagenet", "resnet18-small": "small"}


class _OnPixels(nn.Module):
    """Mixin before a network: images in [0, 1] to the logits of the classes. State-dict names stay torchvision's.

    n_classes: how many of the network's outputs are classes.
    """

    normalise: nn.Module
    n_classes: int

    def outputs(self, x: Tensor) -> Tensor:
        """All outputs (B, M), M >= n_classes: what the report's cross-entropy saw of its 1000-way heads."""
        outputs: Tensor = super().forward(self.normalise(x))  # type: ignore[misc]
        return outputs

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs(x)[:, : self.n_classes]


class PixelResNet(_OnPixels, ResNet):
    """A ResNet on images in [0, 1]."""


class PixelAlexNet(_OnPixels, AlexNet):
    """AlexNet on images in [0, 1]."""


class PixelFastNet(_OnPixels, FastNet):
    """The small fast network on images in [0, 1]."""


class Classifier(nn.Module):
    """Images (B, 3, H, W) in [0, 1] -> logits (B, n_classes): `resize` to the network's image size, then `body`."""

    def __init__(self, resize: Resize, body: PixelResNet | PixelAlexNet | PixelFastNet) -> None:
        super().__init__()
        self.resize, self.body = resize, body

    def outputs(self, x: Tensor) -> Tensor:
        """All outputs of the network (B, M): the classes first, and what else its head has."""
        return self.body.outputs(self.resize(x))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.body(self.resize(x))
        return logits


def build(config: Mapping[str, Any]) -> Classifier:
    """A freshly initialised model from the keys network, n_classes, logits, width, image_size, normalise, gamma, stem.

    network: resnet18 (torchvision's layout), resnet18-small (the original's: 3x3 stem of stride 1, no pooling, for 32
    pixels), alexnet, or fast (ours, for 32 pixels, k-WTA in every place). gamma: None keeps ReLU. logits: outputs of
    the head, of which the first n_classes are classes. gamma_by_layer, where there is one: as in `operator.spread`.
    Raises KeyError for another network or a missing key.
    """
    body: PixelResNet | PixelAlexNet | PixelFastNet
    gamma, layout = config["gamma"], {"n_classes": config["logits"], "width": config["width"]}
    if config["network"] == FAST:
        body = PixelFastNet(**layout, activation=nn.ReLU if gamma is None else partial(KWTA, gamma))
    elif config["network"] == "alexnet":
        body = PixelAlexNet(**layout)
    else:
        body = PixelResNet(18, **layout, stem=STEMS[config["network"]])
    if gamma is not None and config["network"] != FAST:
        replace_relu(body, gamma, stem=config["stem"])
        spread(body, gamma, config.get("gamma_by_layer", "equal"))
    body.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD) if config["normalise"] else nn.Identity()
    body.n_classes = config["n_classes"]
    model = Classifier(Resize(config["image_size"]), body)
    # Weights in this format make convolutions of any input work in it: a step of training is a tenth faster on a CPU.
    # Sums are rounded in another order: most logits agree to 1e-5 of their length, but where that lets another value
    # win, an image's can move by as much as they are long.
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

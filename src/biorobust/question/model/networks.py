"""The bodies that all convolutional networks of the comparison share, and what may stand in front of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from biorobust.core.errors import BiorobustError
from biorobust.core.modules import View
from biorobust.kwta import KWTA
from biorobust.kwta.model.surrogates import attack_views as attack_views  # networks without k-WTA have none
from biorobust.networks.fast import FastNet
from biorobust.networks.pixels import filtered, once
from biorobust.vonenet import VOneBlock
from biorobust.vonenet.model.block import add_noise, live_noise

Activation = Callable[[], nn.Module]


class ConvNet(nn.Module):
    """The body for digits: (B, C, 28, 28) -> logits (B, K). Two 5x5 convolutions with pooling, and a hidden layer.

    Channels: width, then twice width; 128 hidden units. front: takes the place of the first convolution, its pooling
    and its activation, with `width` channels of 14x14.
    """

    def __init__(self, *, n_classes: int, width: int, activation: Activation, front: nn.Module | None) -> None:
        super().__init__()
        self.stem = front or nn.Sequential(nn.Conv2d(1, width, 5, padding=2), nn.MaxPool2d(2), activation())
        self.features = nn.Sequential(nn.Conv2d(width, 2 * width, 5, padding=2), nn.MaxPool2d(2), activation())
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(2 * width * 7 * 7, 128), activation(), nn.Linear(128, n_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(self.stem(x)))
        return logits


class FrontedFastNet(FastNet):
    """The body for photographs, (B, 3, 32, 32) -> logits, behind a front that gives 24 channels of 16x16.

    The front takes the place of the whitening; the first block does not pool, as the front has halved the image.
    """

    def __init__(self, *, n_classes: int, width: int, activation: Activation, front: nn.Module) -> None:
        super().__init__(n_classes=n_classes, width=width, activation=activation)
        self.whitening = front  # type: ignore[assignment]
        self.activation = nn.Identity()
        first = self.blocks[0]
        assert isinstance(first, nn.Sequential)
        self.blocks[0] = nn.Sequential(*(module for module in first if not isinstance(module, nn.MaxPool2d)))


class V1Stage(nn.Module):
    """Images in [0, 1] -> V1 responses (a fixed VOneBlock) -> a learned 1x1 convolution to `n_outputs` channels."""

    def __init__(self, block: VOneBlock, n_outputs: int) -> None:
        super().__init__()
        self.block = block
        self.mix = _mix(block.simple_channels + block.complex_channels, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.mix(self.block(once(_scaled, x)))
        return mixed


class LearnedNoisyStage(nn.Module):
    """The control of V1's noise without V1's filters: learned filters of the same number and size, the same noise.

    Noise whose variance grows with the response has the same size only where responses have. So each filter's responses
    are normalised (to deviation 1, over the minibatch while training), rectified, and scaled so that their mean is
    `mean`, which `measure_mean` sets to that of the V1 stage it is the control of.
    """

    mean: Tensor

    def __init__(
        self, *, n_inputs: int, n_filters: int, ksize: int, stride: int, scale: float, level: float, n_outputs: int
    ) -> None:
        super().__init__()
        self.filters = nn.Conv2d(n_inputs, n_filters, ksize, stride=stride, padding=ksize // 2, bias=False)
        self.norm = nn.BatchNorm2d(n_filters, affine=False)
        self.scale, self.level = scale, level
        self.mix = _mix(n_filters, n_outputs)
        self.register_buffer("mean", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        responses = once(self._responses, x)
        noisy = add_noise(responses, mode="neuronal", scale=self.scale, level=self.level, source=live_noise)
        mixed: Tensor = self.mix(noisy)
        return mixed

    def _responses(self, x: Tensor) -> Tensor:
        # The mean of a rectified standard normal number is 0.3989.
        responses = filtered(_scaled(x), self.filters.weight, stride=self.filters.stride[0])
        return self.norm(responses).relu() * (self.mean / 0.3989)

    @torch.no_grad()
    def measure_mean(self, block: VOneBlock, images: Tensor) -> None:
        """images: (N, C, H, W) in [0, 1]."""
        self.mean.copy_(block.responses(_scaled(images)).mean())


def _scaled(x: Tensor) -> Tensor:
    """Images in [0, 1] as V1 sees them, from -1 to 1."""
    return 2 * x - 1


def _mix(n_inputs: int, n_outputs: int) -> nn.Sequential:
    """Every channel of a front at deviation 1, then mixed."""
    return nn.Sequential(nn.Conv2d(n_inputs, n_outputs, 1, bias=False), nn.BatchNorm2d(n_outputs), nn.ReLU())


def build(config: Mapping[str, Any]) -> nn.Module:
    """A freshly initialised network. Keys: dataset, n_classes, width, gamma (None: ReLU), front, v1 (of VOneBlock).

    Raises BiorobustError for another data set or front.
    """
    gamma, front = config["gamma"], config["front"]
    activation: Activation = nn.ReLU if gamma is None else partial(KWTA, gamma)
    layout = {"n_classes": config["n_classes"], "width": config["width"], "activation": activation}
    if config["dataset"] not in ("mnist", "cifar10"):
        raise BiorobustError(f"dataset = {config['dataset']!r}: must be mnist or cifar10")
    n_inputs, n_outputs = (1, config["width"]) if config["dataset"] == "mnist" else (3, 24)
    stage = _front(front, config["v1"], n_inputs=n_inputs, n_outputs=n_outputs)
    if config["dataset"] == "mnist":
        model: nn.Module = ConvNet(**layout, front=stage)
    else:
        model = FastNet(**layout) if stage is None else FrontedFastNet(**layout, front=stage)
    # On a CPU a pass takes 0.6 times as long so, but longer where the few large filters of a front come first.
    return model if stage is not None else model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _front(name: str, v1: Mapping[str, Any], *, n_inputs: int, n_outputs: int) -> nn.Module | None:
    if name == "none":
        return None
    if name in ("v1", "v1-noiseless"):
        return V1Stage(VOneBlock(**v1, noise="neuronal" if name == "v1" else "none"), n_outputs)
    if name != "learned-noisy":
        raise BiorobustError(f"front = {name!r}: must be none, v1, v1-noiseless or learned-noisy")
    return LearnedNoisyStage(
        n_inputs=n_inputs,
        n_filters=v1["simple_channels"] + v1["complex_channels"],
        ksize=v1["ksize"],
        stride=v1["stride"],
        scale=v1["noise_scale"],
        level=v1["noise_level"],
        n_outputs=n_outputs,
    )


def rounded(model: nn.Module, step: float) -> nn.Module:
    """A network masked on purpose: its logits are rounded to a coarse grid, so that gradients are zero."""
    return View(model, lambda logits: (logits / step).round() * step)


def saturated(model: nn.Module) -> nn.Module:
    """A network masked on purpose: tanh of its logits times a thousand, which is 1 or -1 nearly everywhere."""
    return View(model, lambda logits: (1000 * logits).tanh() + 1e-6 * logits.detach())

"""ResNets with torchvision's state-dict names, and a width and a stem for small images.

He et al. (2016), in torchvision's form: the stride of a bottleneck is in its 3x3 convolution. torchvision's own classes
refuse a narrower basic block and have no other stem; at width 64 these give the same numbers from the same weights.
"""

from __future__ import annotations

from torch import Tensor, nn

from biorobust.core.errors import BiorobustError

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around an identity (or projected) shortcut."""

    expansion = 1

    def __init__(self, n_inputs: int, planes: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(n_inputs, planes, 3, stride=stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv(planes, planes, 3)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _projection(n_inputs, planes, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around an identity (or projected) shortcut."""

    expansion = 4

    def __init__(self, n_inputs: int, planes: int, *, stride: int) -> None:
        super().__init__()
        n_outputs = planes * self.expansion
        self.conv1 = _conv(n_inputs, planes, 1)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = _conv(planes, planes, 3, stride=stride)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = _conv(planes, n_outputs, 1)
        self.bn3 = nn.BatchNorm2d(n_outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(n_inputs, n_outputs, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class ResNet(nn.Module):
    """(B, C, H, W) -> logits (B, n_classes); `depth` 18 or 50, `width` the channels of the first stage (usually 64).

    stem: "imagenet" (7x7 convolution of stride 2, then 3x3 maximum of stride 2), "small" (one 3x3 convolution of stride
    1), or "none" for a back-end whose input is already the (B, width, h, w) of its first stage.
    """

    def __init__(self, depth: int, *, n_classes: int = 1000, width: int = 64, stem: str = "imagenet") -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise BiorobustError(f"depth = {depth}: must be one of {', '.join(map(str, BLOCKS))}")
        if stem not in ("imagenet", "small", "none"):
            raise BiorobustError(f"stem = {stem!r}: must be one of imagenet, small, none")
        if width < 1:
            raise BiorobustError(f"width = {width}: must be 1 or more channels")
        self.stem = stem
        if stem != "none":
            large = stem == "imagenet"
            self.conv1 = _conv(3, width, 7 if large else 3, stride=2 if large else 1)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if large else nn.Identity()
        block = BasicBlock if depth == 18 else Bottleneck
        n_inputs, stages = width, []
        for stage, n_blocks in enumerate(BLOCKS[depth]):
            planes = width * 2**stage
            blocks = []
            for index in range(n_blocks):
                blocks.append(block(n_inputs, planes, stride=2 if stage and not index else 1))
                n_inputs = planes * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(n_inputs, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        if self.stem != "none":
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def zero_residuals(model: nn.Module) -> None:
    """Set the last normalisation of every block to 0, so that it begins as the identity (Goyal et al. 2017)."""
    for module in model.modules():
        if isinstance(module, (BasicBlock, Bottleneck)):
            nn.init.zeros_((module.bn3 if isinstance(module, Bottleneck) else module.bn2).weight)


def _conv(n_inputs: int, n_outputs: int, size: int, *, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(n_inputs, n_outputs, size, stride=stride, padding=size // 2, bias=False)


def _projection(n_inputs: int, n_outputs: int, *, stride: int) -> nn.Sequential | None:
    """The shortcut where shapes differ; None where the identity will do."""
    if stride == 1 and n_inputs == n_outputs:
        return None
    return nn.Sequential(_conv(n_inputs, n_outputs, 1, stride=stride), nn.BatchNorm2d(n_outputs))

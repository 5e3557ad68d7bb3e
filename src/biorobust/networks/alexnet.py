"""AlexNet (Krizhevsky 2014) in torchvision's form and under its state-dict names, with a width."""

from __future__ import annotations

from torch import Tensor, nn

from biorobust.core.errors import BiorobustError

SMALLEST = 63  # pixels: below that the last pooling has nothing to pool


class AlexNet(nn.Module):
    """(B, 3, H, W) with H, W of 63 or more -> logits (B, n_classes).

    width: channels of the first convolution, 64 in the original; all others, dense layers too, scale with it.
    Raises BiorobustError for smaller images.
    """

    def __init__(self, *, n_classes: int = 1000, width: int = 64) -> None:
        super().__init__()
        if width < 1:
            raise BiorobustError(f"width = {width}: must be 1 or more channels")
        dense = 64 * width
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(width, 3 * width, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(3 * width, 6 * width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(6 * width, 4 * width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(4 * width, 4 * width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(4 * width * 36, dense),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(dense, dense),
            nn.ReLU(inplace=True),
            nn.Linear(dense, n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[-2:]) < SMALLEST:
            raise BiorobustError(f"AlexNet needs images of {SMALLEST} pixels or more, not {x.shape[-2]}x{x.shape[-1]}")
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits

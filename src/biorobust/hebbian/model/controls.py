"""Conventionally trained networks that the Hebbian classifier is held against."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from biorobust.core.modules import Float64, View


class SimpleConvNet(nn.Module):
    """The report's control: two 5x5 convolutions and two dense layers, 21,840 parameters.

    conv 1->10, max-pool 2, ReLU; conv 10->20, channel dropout 0.5, max-pool 2, ReLU; 320->50, ReLU, dropout 0.5; 50->K.
    forward: (B, 1, 28, 28) in [0, 1] -> logits (B, K). The report's network ends in log-softmax; see `attack_views`.
    """

    def __init__(self, n_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.channel_dropout = nn.Dropout2d(0.5)
        self.fc1 = nn.Linear(320, 50)
        self.dropout = nn.Dropout(0.5)
        self.fc2 = nn.Linear(50, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(self.conv1(x), 2).relu()
        x = functional.max_pool2d(self.channel_dropout(self.conv2(x)), 2).relu()
        x = self.dropout(self.fc1(x.flatten(1)).relu())
        return self.fc2(x)


class EndToEnd(nn.Module):
    """N-H-K with ReLU units, trained by back-propagation: as many hidden units as the Hebbian network has.

    forward: (B, ...) with N pixels in [0, 1] -> logits (B, K).
    """

    def __init__(self, n_inputs: int, n_hidden: int, n_classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(n_inputs, n_hidden)
        self.readout = nn.Linear(n_hidden, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.hidden(x.flatten(1)).relu())


def attack_views(model: nn.Module) -> dict[str, nn.Module]:
    """ "report": the outputs the report's attack differentiated, log-probabilities. "float64": the model in float64."""
    log_probabilities = partial(functional.log_softmax, dim=1)
    return {"report": View(model, log_probabilities), "float64": Float64(model).eval()}


def build_simple_conv(config: Mapping[str, Any]) -> SimpleConvNet:
    return SimpleConvNet(config["n_classes"])


def build_end_to_end(config: Mapping[str, Any]) -> EndToEnd:
    return EndToEnd(config["n_inputs"], config["n_hidden"], config["n_classes"])

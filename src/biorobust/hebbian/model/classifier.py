"""The power classifier on competing hidden units (Krotov & Hopfield 2019, eq. 1).

    h_mu = max(W_mu . v, 0)^n        c_alpha = tanh(beta sum_mu S_alpha,mu h_mu)

W is frozen, only S is learned. The model returns beta S h, the logits before tanh: the arg max is the same, and tanh
saturates to exactly 1.0 in float32 above 9.01, where it ties classes and stops every gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from biorobust.core.modules import Float64, View

SMALLEST_LENGTH = 1e-12  # an all-black image stays all black under unit-norm inputs


class HebbianClassifier(nn.Module):
    """forward: images (B, ...) in [0, 1] -> pre-tanh logits (B, K).

    weights: (H, N) with N the number of pixels of an image; a buffer, so it is saved and moved with the model.
    n: power of the hidden activity, 1 or more. beta: scale of the outputs, above 0.
    inputs: "raw" uses the pixels as they are, "unit" scales every image to length 1 (differentiably).
    """

    weights: Tensor

    def __init__(self, weights: Tensor, n_classes: int, *, n: float, beta: float, inputs: str = "raw") -> None:
        super().__init__()
        if inputs not in ("raw", "unit"):
            raise ValueError(f"inputs = {inputs!r}: must be raw or unit")
        self.register_buffer("weights", weights)
        self.readout = nn.Linear(weights.shape[0], n_classes, bias=False)
        self.n, self.beta, self.inputs = n, beta, inputs

    def activations(self, x: Tensor) -> Tensor:
        """Hidden activities h (B, H) of images (B, ...) in [0, 1]."""
        v = x.flatten(1)
        if self.inputs == "unit":
            v = v / v.norm(dim=1, keepdim=True).clamp_min(SMALLEST_LENGTH)
        # The rectifier comes before the fractional power: a negative current to the power 4.5 is not a number.
        return (v @ self.weights.T).relu().pow(self.n)

    def logits(self, activations: Tensor) -> Tensor:
        """beta S h (B, K) from hidden activities (B, H)."""
        # The transposed product: with few classes it reads the activities once, 2-3 times faster than h S^T on a CPU.
        return self.beta * (self.readout.weight @ activations.T).T

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.activations(x))


def power_loss(logits: Tensor, labels: Tensor, *, m: float) -> Tensor:
    """Sum over images and classes of |tanh(logits) - target|^m, target +1 for the true class and -1 elsewhere."""
    target = torch.full_like(logits, -1).scatter_(1, labels.unsqueeze(1), 1)
    return (logits.tanh() - target).abs().pow(m).sum()


def attack_views(model: HebbianClassifier) -> dict[str, nn.Module]:
    """ "report": the outputs the report's attack differentiated, c = tanh(beta S h). "float64": the model in float64,
    where a high power of a small activity is not lost."""
    return {"report": View(model, torch.tanh), "float64": Float64(model).eval()}


def build(config: Mapping[str, Any]) -> HebbianClassifier:
    """The classifier of a checkpoint's configuration, weights still to be loaded (see `biorobust.core.runs`)."""
    weights = torch.empty(config["n_hidden"], config["n_inputs"])
    n, beta = float(config["n"]), float(config["beta"])
    return HebbianClassifier(weights, config["n_classes"], n=n, beta=beta, inputs=config["inputs"])

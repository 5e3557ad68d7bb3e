"""Views of a k-WTA network for attacks: exact outputs with the slopes of another activation, and softer networks.

k-WTA's own slope holds only until another value wins, so it says little about the next step. Backward pass
differentiable approximation (Athalye et al. 2018) keeps the forward pass and replaces that slope.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from biorobust.core.modules import replaced
from biorobust.kwta.model.operator import KWTA, kwta, mask
from biorobust.kwta.model.selection import kth_largest, winners

SOFTNESS = 0.3  # of the sigmoid, in standard deviations of the sample's values

Slope = Callable[[Tensor, float], Tensor]  # values (B, ...), gamma -> what their gradients are multiplied by


class Surrogate(nn.Module):
    """`kwta` forward, to the bit; backward the gradient times `slope(x, gamma)`."""

    def __init__(self, gamma: float, slope: Slope) -> None:
        super().__init__()
        self.gamma, self.slope = gamma, slope

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            exact, slope = kwta(x, self.gamma), self.slope(x, self.gamma)
        return exact + (x - x.detach()) * slope


def positive(x: Tensor, gamma: float) -> Tensor:
    """That of ReLU."""
    return (x > 0).to(x.dtype)


def identity(x: Tensor, gamma: float) -> Tensor:
    return torch.ones_like(x)


def sigmoid(x: Tensor, gamma: float) -> Tensor:
    """A soft step at the sample's threshold."""
    rows = x.flatten(1)
    threshold = kth_largest(rows.contiguous(), winners(gamma, rows.shape[1]))
    width = (SOFTNESS * rows.std(dim=1)).clamp_min(torch.finfo(x.dtype).tiny)
    return torch.sigmoid((rows - threshold[:, None]) / width[:, None]).view_as(x)


def winning(wider: float) -> Slope:
    """That of k-WTA with a larger gamma."""
    return lambda x, gamma: mask(x, max(wider, gamma)).to(x.dtype)


def _with(slope: Slope) -> Callable[[KWTA], nn.Module]:
    return lambda old: Surrogate(old.gamma, slope)


SLOPES: dict[str, Slope] = {
    "relu": positive,
    "identity": identity,
    "sigmoid": sigmoid,
    **{f"{gamma:g}": winning(gamma) for gamma in (0.3, 0.5)},
}


def attack_views(model: nn.Module) -> dict[str, nn.Module]:
    """backward-<slope>: the model's outputs with other slopes. forward-<activation>: its weights with another
    activation, a softer network whose adversarial images may transfer. None for a network without k-WTA."""
    if not any(isinstance(module, KWTA) for module in model.modules()):
        return {}
    made: dict[str, Callable[[KWTA], nn.Module]] = {
        **{f"backward-{name}": _with(slope) for name, slope in SLOPES.items()},
        "forward-relu": lambda old: nn.ReLU(),
        "forward-0.5": lambda old: KWTA(max(old.gamma, 0.5)),
    }
    return {name: replaced(model, KWTA, make) for name, make in made.items()}

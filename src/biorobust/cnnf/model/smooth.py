"""A network with feedback whose gates pass soft gradients: exact outputs, slopes of sigmoids in the place of steps.

Feedback acts on later passes mostly through signs (which gate opens, which end of a pooling window is taken), and a
sign has no slope: the network's own gradient misses that path.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from biorobust.cnnf.model.blocks import ConvBlock
from biorobust.cnnf.model.layers import AdaPool, AdaReLU, Choice
from biorobust.core.modules import replaced

SOFTNESS = 0.1  # width of a soft gate, in root mean squares of what decides about it


class SoftGate(NamedTuple):
    """open, hidden: as of `layers.Gate`; soft: the gate in (0, 1), with a gradient."""

    open: Tensor
    hidden: Tensor | None
    soft: Tensor


def exactly(value: Tensor, slope: Tensor) -> Tensor:
    """The first with the gradient of the second."""
    return value.detach() + (slope - slope.detach())


def openness(x: Tensor) -> Tensor:
    """A soft step at 0, as wide as SOFTNESS of each sample's root mean square."""
    width = SOFTNESS * x.detach().flatten(1).square().mean(dim=1).sqrt()
    return torch.sigmoid(x / width.clamp_min(torch.finfo(x.dtype).tiny).view(-1, *[1] * (x.ndim - 1)))


class SoftAdaReLU(AdaReLU):
    def feedforward(self, x: Tensor, memory: Any = None) -> tuple[Tensor, Any]:
        value, gate = super().feedforward(x, memory)
        if gate.hidden is None:
            soft = openness(x)
        else:
            x = torch.lerp(x, gate.hidden, self.residual)
            soft = openness(x * gate.hidden)
        return exactly(value, x * soft), SoftGate(gate.open, gate.hidden, soft)

    def feedback(self, y: Tensor, memory: Any) -> tuple[Tensor, Any]:
        return exactly(torch.where(memory.open, y, 0), y * memory.soft), SoftGate(memory.open, y, memory.soft)


class SoftAdaPool(AdaPool):
    """AdaPool with soft gradients: the largest value of a window fades into its smallest as feedback changes sign."""

    def feedforward(self, x: Tensor, memory: Choice | None = None) -> tuple[Tensor, Choice]:
        value, choice = super().feedforward(x, memory)
        if choice.hidden is None or choice.lowest is None:
            return value, choice
        flat, positive = x.flatten(2), openness(choice.hidden)
        largest, smallest = (
            flat.gather(2, place.flatten(2)).view_as(value) for place in (choice.highest, choice.lowest)
        )
        return exactly(value, positive * largest + (1 - positive) * smallest), choice


def smooth(network: nn.Module) -> nn.Module:
    view = replaced(network, AdaReLU, lambda gate: SoftAdaReLU(gate.residual))
    view = replaced(view, AdaPool, lambda pool: SoftAdaPool())
    for block in view.modules():
        if isinstance(block, ConvBlock):
            block.fuse = False
    return view

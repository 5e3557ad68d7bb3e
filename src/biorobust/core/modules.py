"""The same network with other layers in some places, with something behind it, or in another precision."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Module)


def replaced(model: nn.Module, kind: type[Layer], make: Callable[[Layer], nn.Module]) -> nn.Module:
    """A copy of a model that shares all parameters and buffers, with every layer of a kind replaced, in eval mode.

    make: gives the new layer for an old one (of the copy). A layer used in several places is replaced by one.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    twin = copy.deepcopy(model, shared)
    fresh = {id(module): make(module) for module in twin.modules() if isinstance(module, kind)}
    for parent in list(twin.modules()):
        for name, child in list(parent._modules.items()):  # named_children gives an object of several names once
            if id(child) in fresh:
                setattr(parent, name, fresh[id(child)])
    return twin.eval()


class View(nn.Module):
    """What a function makes of a model's outputs, in eval mode."""

    def __init__(self, model: nn.Module, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self.then = model, then
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self.model(x))


class Float64(nn.Module):
    """A copy of a model in float64, in eval mode, for images of any precision; outputs are in float64."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).double().eval()

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.model(x.double())
        return outputs

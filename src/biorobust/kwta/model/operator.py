"""The k-winners-take-all activation (Xiao et al., ICLR 2020, section 3): per sample, the k largest values pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from biorobust.kwta.model.selection import kth_largest, share, winners


def kwta(x: Tensor, gamma: float) -> Tensor:
    """The values of every sample that reach its k-th largest; all others become 0.

    x: floating point (B, ...), any memory format, N values a sample; k = floor(gamma * N) with gamma as written in
    decimals. The threshold is the sample's own, values are compared as they are (no magnitudes, no ReLU first), and all
    values equal to the threshold win, so more than k can. Same shape, dtype and memory format as `x`.

    The gradient is that of x * mask with the mask held fixed: 1 for winners, 0 for the others.
    NaN ranks like +inf and wins: it takes one of the k places and is passed on, never hidden. -inf wins only when the
    threshold is -inf. Raises ValueError for gamma outside (0, 1], no winner (k = 0), or an `x` that is no such tensor.
    """
    if x.ndim < 2 or not x.is_floating_point():
        raise ValueError(f"kwta needs floating point (B, ...), not {x.dtype} of shape {tuple(x.shape)}")
    k = winners(gamma, math.prod(x.shape[1:]))
    output: Tensor = _Winners.apply(x, k)
    return output


def mask(x: Tensor, gamma: float) -> Tensor:
    """Who wins: bool, of the shape of `x`. Zeros that win, which the output of `kwta` does not tell, are among them."""
    rows = _rows(x.detach())
    return _unrows(_reached(rows, kth_largest(rows, winners(gamma, rows.shape[1]))), x)


class KWTA(nn.Module):
    """`kwta` as a layer, the same in training and evaluation. `gamma` may be set anew at any time."""

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    @property
    def gamma(self) -> float:
        return self._gamma

    @gamma.setter
    def gamma(self, value: float) -> None:
        share(value)
        self._gamma = value

    def forward(self, x: Tensor) -> Tensor:
        return kwta(x, self.gamma)

    def extra_repr(self) -> str:
        return f"gamma={self.gamma}"


def replace_relu(model: nn.Module, gamma: float, *, stem: Literal["relu", "kwta"]) -> nn.Module:
    """Put k-WTA in the place of every `nn.ReLU` module, in place, and return the model.

    stem: whether the first activation (in the order of the model's modules) stays a ReLU, as in the original's CIFAR
    networks, or becomes k-WTA too, as in the report's. A ReLU object used in several places becomes one KWTA object.
    Raises ValueError when there is nothing to replace.
    """
    found = [module for module in model.modules() if isinstance(module, nn.ReLU)]
    fresh = {id(relu): KWTA(gamma) for relu in (found if stem == "kwta" else found[1:])}
    if not fresh:
        raise ValueError(f"{type(model).__name__} has no nn.ReLU to replace by k-WTA")
    for parent in list(model.modules()):
        # Not named_children: it names an object once, however many names it has.
        for name, child in list(parent._modules.items()):
            if id(child) in fresh:
                setattr(parent, name, fresh[id(child)])
    return model


def set_gamma(model: nn.Module, gamma: float) -> None:
    for module in model.modules():
        if isinstance(module, KWTA):
            module.gamma = gamma


BY_LAYER: dict[str, Callable[[float], float]] = {  # depth in [0, 1] -> times gamma; 1 on average
    "equal": lambda depth: 1.0,
    "falling": lambda depth: 1.5 - depth,
    "rising": lambda depth: 0.5 + depth,
    "middle": lambda depth: 1.5 - abs(2 * depth - 1),
}


def spread(model: nn.Module, gamma: float, by_layer: str) -> None:
    """Give the k-WTA layers of a model, in the order of its modules, gammas from half to one and a half of `gamma`.

    by_layer: "falling" or "rising" with depth, largest in the "middle", or "equal"; their mean is `gamma`, for "middle"
    about. Raises ValueError for a gamma above 1.
    """
    layers = [module for module in model.modules() if isinstance(module, KWTA)]
    for i, layer in enumerate(layers):
        layer.gamma = gamma * BY_LAYER[by_layer](i / max(1, len(layers) - 1))


class _Winners(torch.autograd.Function):
    """Keeps nothing beside the output for the backward pass, or one byte a value where the output does not tell."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, k: int) -> Tensor:
        rows = _rows(x)
        thresholds = kth_largest(rows, k)
        if x.device.type == "cpu" and x.dtype != torch.float16 and bool((thresholds > 0).all()):
            # Every winner is positive and every loser 0: ReLU's own loops do, one row at a time while it is cached.
            output = torch.empty_like(rows)
            for row, place, least in zip(rows, output, _just_below(thresholds), strict=True):
                torch.threshold(row, least, 0.0, out=place)
            output = _unrows(output, x)
            ctx.save_for_backward(output)
            return output
        reached = _reached(rows, thresholds)
        ctx.save_for_backward(_unrows(reached, x))
        return _unrows(torch.where(reached, rows, 0.0), x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (kept,) = ctx.saved_tensors
        (gradient,) = gradients
        if kept.dtype == torch.bool:
            return torch.where(kept, gradient, 0.0), None
        return torch.ops.aten.threshold_backward(gradient, kept, 0.0), None


def _just_below(thresholds: Tensor) -> list[float]:
    """The next smaller number of the same dtype: x > that exactly when x >= the threshold."""
    return torch.nextafter(thresholds, torch.full_like(thresholds, -math.inf)).tolist()


def _reached(rows: Tensor, thresholds: Tensor) -> Tensor:
    """Not "smaller", instead of "at least": NaN passes."""
    return ~(rows < thresholds.unsqueeze(1))


def _channels_last(x: Tensor) -> bool:
    return x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


def _rows(x: Tensor) -> Tensor:
    """(B, N) contiguous, a view where the memory allows it; who wins does not depend on the order of the values."""
    return (x.permute(0, 2, 3, 1) if _channels_last(x) else x).reshape(len(x), math.prod(x.shape[1:])).contiguous()


def _unrows(rows: Tensor, x: Tensor) -> Tensor:
    """Rows made by `_rows`, in the shape and memory format of `x`."""
    if _channels_last(x):
        return rows.view(len(x), x.shape[2], x.shape[3], x.shape[1]).permute(0, 3, 1, 2)
    return rows.view(x.shape)

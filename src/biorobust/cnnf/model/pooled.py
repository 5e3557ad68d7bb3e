"""InsNorm, bias, AdaReLU and 2x2 AdaPool as one layer that works on the pooled map only.

Division by a positive number, adding a bias and ReLU keep the order within a window, so pooling may come first. And
once feedback has arrived it is 0 but at the place each window was pooled from, so AdaReLU lets nothing else through:
later passes need the convolution's values at these places alone. Both are exact; a quarter of the elements remain.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from biorobust.cnnf.model.layers import root_mean_square


class PooledGate(NamedTuple):
    """place: int64 (B, C, h, w), flat place in the unpooled map of each pooled value; open: bool, whether its gate was.

    hidden: what feedback last brought to the pooled map; alive: where the feedback before that was not 0. Both None
    before the first feedback.
    """

    place: Tensor
    open: Tensor
    hidden: Tensor | None
    alive: Tensor | None


class Unpooled(NamedTuple):
    """A map (B, C, H, W) that is 0 but for one value (B, C, h, w) in each window, at its flat place."""

    values: Tensor
    place: Tensor
    size: tuple[int, int]


class _Pass(Function):
    """relu(max over 2x2 windows of (x / root mean square + bias)): x (B, C, H, W), bias (C,) -> y, place, open.

    In later passes (`hidden` not None) with gates by feedback, `hidden` at `place`, 0 where there is none.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, bias: Tensor, hidden: Tensor | None, place: Tensor | None, residual: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        scale, shift = root_mean_square(x), bias.view(1, -1, 1, 1)
        if hidden is None or place is None:
            largest, step = window_maximum(x)
            values = largest.div_(scale)
            y = (values + shift).relu_()
            opened = y > 0
            # In a window of zeros max-pooling takes the first element.
            place = corners(x) + step.mul_(opened)
        else:
            values = x.flatten(2).gather(2, place.flatten(2)).view(place.shape).div_(scale)
            y = (values + shift).lerp_(hidden, residual)
            opened = y * hidden > 0
            y.mul_(opened)
            place = torch.where(opened, place, corners(x))
        ctx.save_for_backward(x, scale, values, place, opened)
        ctx.residual = None if hidden is None else residual
        ctx.mark_non_differentiable(place, opened)
        return y, place, opened

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None, None]:
        x, scale, values, place, opened = ctx.saved_tensors
        grad, hidden = grads[0] * opened, None
        if ctx.residual is not None:
            hidden = grad * ctx.residual
            grad -= hidden
        # Of x / scale at `place`, the scale being the root mean square of x's channels.
        along = (grad * values).sum(dim=(2, 3), keepdim=True).div_(scale.square() * -(x.shape[2] * x.shape[3]))
        result = x * along
        result.flatten(2).scatter_add_(2, place.flatten(2), (grad / scale).flatten(2))
        return result, grad.sum(dim=(0, 2, 3)), hidden, None, None


class _UnpoolShifted(Function):
    """values at `place` in zeros, minus `shift` (C,) everywhere: (B, C, h, w) -> (B, C, H, W)."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, place: Tensor, shift: Tensor, size: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(place)
        shift = shift.view(1, -1, 1)
        x = (-shift).repeat(len(values), 1, size[0] * size[1])
        return x.scatter_(2, place.flatten(2), values.flatten(2) - shift).unflatten(2, size)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, Tensor, None]:
        (place,) = ctx.saved_tensors
        (grad,) = grads
        values = grad.flatten(2).gather(2, place.flatten(2)).view(place.shape)
        return values, None, -grad.sum(dim=(0, 2, 3)), None


def unpool_shifted(map_: Unpooled, shift: Tensor) -> Tensor:
    return _UnpoolShifted.apply(map_.values, map_.place, shift, map_.size)


def corners(like: Tensor) -> Tensor:
    """(h, w) flat places of the windows' first elements in a map (..., H, W); an odd last row or column has none."""
    height, width = like.shape[-2:]
    rows = torch.arange(height // 2, device=like.device) * (2 * width)
    return rows[:, None] + torch.arange(width // 2, device=like.device) * 2


def window_maximum(x: Tensor) -> tuple[Tensor, Tensor]:
    """Largest value (B, C, h, w) in each 2x2 window of x (B, C, H, W), and how many places behind the window's first
    element it stands (int16); the first one of equals."""
    height, width = x.shape[-2:]
    even = x[..., : height // 2 * 2, : width // 2 * 2]
    a, b, c, d = (even[..., i::2, j::2] for i in (0, 1) for j in (0, 1))
    upper, lower = torch.maximum(a, b), torch.maximum(c, d)
    step = torch.where(lower > upper, (d > c).to(torch.int16) + width, (b > a).to(torch.int16))
    return torch.maximum(upper, lower), step


def feedforward(x: Tensor, memory: PooledGate | None, *, bias: Tensor, residual: float) -> tuple[Tensor, PooledGate]:
    """x: the convolution's output (B, C, H, W); gives the pooled map (B, C, h, w). memory None: the first pass."""
    if memory is None or memory.hidden is None or memory.alive is None:
        y, place, opened = _Pass.apply(x, bias, None, None, residual)
        return y, PooledGate(place, opened, None, None)
    hidden = torch.where(memory.alive, memory.hidden, 0)
    y, place, opened = _Pass.apply(x, bias, hidden, memory.place, residual)
    return y, PooledGate(place, opened, memory.hidden, memory.hidden != 0)


def feedback(y: Tensor, memory: PooledGate, *, size: tuple[int, int]) -> tuple[Unpooled, PooledGate]:
    """y (B, C, h, w), already normalised; gives the map (B, C, H, W) behind the gates."""
    alive = torch.ones_like(memory.open) if memory.alive is None else memory.alive
    through = y * (memory.open & alive)
    return Unpooled(through, memory.place, size), PooledGate(memory.place, memory.open, y, alive)

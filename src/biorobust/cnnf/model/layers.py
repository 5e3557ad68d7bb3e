"""Layers that run in both directions (Huang et al. 2020, section 2): feedforward, and feedback with the same weights.

A layer keeps nothing between calls. What the feedback of a gate or a pooling has to know of the forward pass, and the
next forward pass of the feedback, is its `memory`, which both directions take and give back: a tuple of tensors whose
first axis is the batch (and of plain numbers), so that rows can be taken out.

    y, memory = layer.feedforward(x, memory)  # memory None: the first pass over these images
    x, memory = layer.feedback(y, memory)

Every layer gives back the precision it was given. So autocast lowers that of the products with weights and of nothing
between them: normalisation, gates, biases and logits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

EPSILON = 1e-8  # under the root of the normalisation, as in the original's code


class Conv2d(nn.Module):
    """A 3x3 convolution without bias, (B, C_in, H, W) -> (B, C_out, H, W); feedback is its adjoint, with the same
    parameter. Weights start normal with variance 2 / (9 C_out)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, 3, 3) * (2 / (9 * n_out)) ** 0.5)

    def feedforward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight, padding=1).to(x.dtype)

    def feedback(self, y: Tensor) -> Tensor:
        return functional.conv_transpose2d(y, self.weight, padding=1).to(y.dtype)


class Linear(nn.Module):
    """x W^T; feedback y W with the same parameter. Weights start as torch's own linear layer's.

    The original's code makes the transpose a parameter of its own on the same memory. So there weight decay acts twice,
    and the norm that is clipped (`training.Recipe.clip_norm`) is of the gradients of both directions side by side; here
    it is that of their sum. Without either, a step of gradient descent is the same.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.Linear(n_in, n_out, bias=False).weight.detach())

    def feedforward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight).to(x.dtype)

    def feedback(self, y: Tensor) -> Tensor:
        return functional.linear(y, self.weight.t()).to(y.dtype)


class Bias(nn.Module):
    """One number added per channel, 0 at the start. subtract: feedback takes it off again (the report), or passes
    its input unchanged (the original's code)."""

    def __init__(self, n_channels: int, *, subtract: bool = True) -> None:
        super().__init__()
        self.subtract = subtract
        self.bias = nn.Parameter(torch.zeros(n_channels))

    def shaped(self, like: Tensor) -> Tensor:
        """(1, C, 1, 1) for pictures, (1, C) for vectors."""
        return self.bias.view(1, -1, *[1] * (like.ndim - 2))

    def feedforward(self, x: Tensor) -> Tensor:
        return x + self.shaped(x)

    def feedback(self, y: Tensor) -> Tensor:
        return y - self.shaped(y) if self.subtract else y


def root_mean_square(x: Tensor) -> Tensor:
    """(B, C, 1, 1): over the pixels of each image and channel, with EPSILON under the root."""
    length = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True)
    return length.square_().div_(x.shape[2] * x.shape[3]).add_(EPSILON).sqrt_()


class _Normalise(Function):
    """x / root mean square, with the gradient written out: two passes over x instead of autograd's eight."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        scale = root_mean_square(x)
        y = x / scale
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        y, scale = ctx.saved_tensors
        along = (grads[0] * y).mean(dim=(2, 3), keepdim=True)
        return torch.addcmul(grads[0], y, along, value=-1).div_(scale)


def normalise(x: Tensor) -> Tensor:
    """InsNorm, in both directions: x over its root mean square per image and channel. No mean is taken off, nothing is
    learned; a channel of zeros stays zeros."""
    return _Normalise.apply(x)


class Gate(NamedTuple):
    """open: bool, where the last forward pass let x through; hidden: what feedback last brought, None before it."""

    open: Tensor
    hidden: Tensor | None


class AdaReLU(nn.Module):
    """ReLU in the first pass. Then x moves the share `residual` towards what feedback brought and passes where both
    agree in sign; so outputs may be negative. Feedback passes through the gates of the last forward pass."""

    def __init__(self, residual: float) -> None:
        super().__init__()
        self.residual = residual

    def feedforward(self, x: Tensor, memory: Gate | None = None) -> tuple[Tensor, Gate]:
        if memory is None or memory.hidden is None:
            return x.relu(), Gate(x > 0, None)
        x = torch.lerp(x, memory.hidden, self.residual)
        agree = x * memory.hidden > 0
        return torch.where(agree, x, 0), Gate(agree, memory.hidden)

    def feedback(self, y: Tensor, memory: Gate) -> tuple[Tensor, Gate]:
        return torch.where(memory.open, y, 0), Gate(memory.open, y)


class Choice(NamedTuple):
    """highest, lowest: flat places (B, C, h, w) in the unpooled map; sign: of the feedback that the last forward pass
    chose by (None in the first pass: all highest); hidden: what feedback last brought; size: (H, W)."""

    highest: Tensor
    lowest: Tensor | None
    sign: Tensor | None
    hidden: Tensor | None
    size: tuple[int, int]


class AdaPool(nn.Module):
    """2x2 max-pooling in the first pass. Then each window gives its largest value where feedback was positive, its
    smallest where it was negative and 0 where it was 0. Feedback puts values back to where they were taken from."""

    def feedforward(self, x: Tensor, memory: Choice | None = None) -> tuple[Tensor, Choice]:
        size = (x.shape[-2], x.shape[-1])
        largest, highest = functional.max_pool2d(x, 2, return_indices=True)
        if memory is None or memory.hidden is None:
            return largest, Choice(highest, None, None, None, size)
        negative, lowest = functional.max_pool2d(-x, 2, return_indices=True)
        sign = memory.hidden.detach().sign()
        y = torch.where(sign > 0, largest, torch.where(sign < 0, -negative, 0))
        return y, Choice(highest, lowest, sign, memory.hidden, size)

    def feedback(self, y: Tensor, memory: Choice) -> tuple[Tensor, Choice]:
        found, place = y, memory.highest
        if memory.sign is not None and memory.lowest is not None:
            place = torch.where(memory.sign < 0, memory.lowest, memory.highest)
            found = torch.where(memory.sign == 0, 0, y)
        zeros = y.new_zeros(*y.shape[:2], memory.size[0] * memory.size[1])
        x = zeros.scatter(2, place.flatten(2), found.flatten(2)).unflatten(2, memory.size)
        return x, memory._replace(hidden=y)

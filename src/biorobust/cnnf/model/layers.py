"""Layers that run in both directions (Huang et al. 2020, section 2): feedforward, and feedback with the same weights.

A layer keeps nothing between calls. What feedback needs to know of the forward pass, and the next forward pass of the
feedback, goes through its `memory`, which both directions take and give back:

    y, memory = layer.feedforward(x, memory)  # memory None: the first pass over these images
    x, memory = layer.feedback(y, memory)

Memories are tuples of tensors whose first axis is the batch (and of plain numbers), so that rows can be taken out.

Every layer gives back the precision it was given. So autocast lowers that of the products with weights and of nothing
between them: InsNorm, gates, biases and logits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

EPSILON = 1e-8  # under the root of InsNorm, as in the original's code


class Conv2d(nn.Module):
    """A convolution without bias; feedback is its adjoint, with the same parameter, for any stride and odd sizes.

    feedforward: (B, C_in, H, W) -> (B, C_out, H', W'). Weights start normal with variance 2 / (k^2 C_out).
    """

    def __init__(self, n_in: int, n_out: int, kernel_size: int = 3, *, stride: int = 1, padding: int = 1) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        scale = (2 / (kernel_size**2 * n_out)) ** 0.5
        self.weight = nn.Parameter(torch.randn(n_out, n_in, kernel_size, kernel_size) * scale)

    def feedforward(self, x: Tensor, memory: Any = None) -> tuple[Tensor, tuple[int, int]]:
        y = functional.conv2d(x, self.weight, stride=self.stride, padding=self.padding)
        return y.to(x.dtype), (x.shape[-2], x.shape[-1])

    def feedback(self, y: Tensor, memory: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        # Rows and columns at the far edge that no stride reached come back as zeros.
        smallest = [(n - 1) * self.stride - 2 * self.padding + self.weight.shape[-1] for n in y.shape[-2:]]
        missing = tuple(wanted - least for wanted, least in zip(memory, smallest, strict=True))
        x = functional.conv_transpose2d(
            y, self.weight, stride=self.stride, padding=self.padding, output_padding=missing
        )
        return x.to(y.dtype), memory


class Linear(nn.Module):
    """x W^T; feedback y W with the same parameter. Weights start as torch's own linear layer's.

    The original's code makes the transpose a parameter of its own on the same memory. So there weight decay acts twice,
    and the norm that is clipped (`training.Recipe.clip_norm`) is of the gradients of both directions side by side; here
    it is that of their sum. Without either, a step of gradient descent is the same.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.Linear(n_in, n_out, bias=False).weight.detach())

    def feedforward(self, x: Tensor, memory: Any = None) -> tuple[Tensor, None]:
        return functional.linear(x, self.weight).to(x.dtype), None

    def feedback(self, y: Tensor, memory: Any = None) -> tuple[Tensor, None]:
        return functional.linear(y, self.weight.t()).to(y.dtype), None


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

    def feedforward(self, x: Tensor, memory: Any = None) -> tuple[Tensor, None]:
        return x + self.shaped(x), None

    def feedback(self, y: Tensor, memory: Any = None) -> tuple[Tensor, None]:
        return (y - self.shaped(y) if self.subtract else y), None


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


class InsNorm(nn.Module):
    """x over its root mean square per image and channel: no mean is taken off, nothing is learned. A channel of zeros
    stays zeros. Feedback is the same function."""

    def feedforward(self, x: Tensor, memory: Any = None) -> tuple[Tensor, None]:
        return _Normalise.apply(x), None

    feedback = feedforward


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
    """Max-pooling in the first pass. Then each window gives its largest value where feedback was positive, its
    smallest where it was negative and 0 where it was 0. Feedback puts values back to where they were taken from."""

    def __init__(self, window: int = 2) -> None:
        super().__init__()
        self.window = window

    def feedforward(self, x: Tensor, memory: Choice | None = None) -> tuple[Tensor, Choice]:
        size = (x.shape[-2], x.shape[-1])
        largest, highest = functional.max_pool2d(x, self.window, return_indices=True)
        if memory is None or memory.hidden is None:
            return largest, Choice(highest, None, None, None, size)
        negative, lowest = functional.max_pool2d(-x, self.window, return_indices=True)
        sign = memory.hidden.detach().sign()
        y = torch.where(sign > 0, largest, torch.where(sign < 0, -negative, 0))
        return y, Choice(highest, lowest, sign, memory.hidden, size)

    def feedback(self, y: Tensor, memory: Choice) -> tuple[Tensor, Choice]:
        if memory.sign is None or memory.lowest is None:
            x = unpool(y, memory.highest, memory.size)
        else:
            place = torch.where(memory.sign < 0, memory.lowest, memory.highest)
            x = unpool(torch.where(memory.sign == 0, 0, y), place, memory.size)
        return x, memory._replace(hidden=y)


def unpool(values: Tensor, place: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, h, w) values at their flat places in zeros (B, C, H, W)."""
    zeros = values.new_zeros(*values.shape[:2], size[0] * size[1])
    return zeros.scatter(2, place.flatten(2), values.flatten(2)).unflatten(2, size)


class AvgPool(nn.Module):
    """The mean of each window; feedback repeats each value over its window (window^2 times the adjoint). Rows and
    columns that no window covers come back as zeros."""

    def __init__(self, window: int = 2) -> None:
        super().__init__()
        self.window = window

    def feedforward(self, x: Tensor, memory: Any = None) -> tuple[Tensor, tuple[int, int]]:
        return functional.avg_pool2d(x, self.window), (x.shape[-2], x.shape[-1])

    def feedback(self, y: Tensor, memory: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        x = y.repeat_interleave(self.window, 2).repeat_interleave(self.window, 3)
        return functional.pad(x, (0, memory[1] - x.shape[3], 0, memory[0] - x.shape[2])), memory


class Dropout(nn.Module):
    """Inverted dropout with one mask for both directions and all cycles of the same images; nothing in eval mode.

    Values that stay are divided by 1 - share, so that their mean stays too. The original's code divides by the share
    that is dropped, and draws a mask of its own in every forward pass.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def feedforward(self, x: Tensor, memory: tuple[Tensor] | None = None) -> tuple[Tensor, tuple[Tensor] | None]:
        if not self.training or self.share == 0:
            return x, None
        if memory is None:
            memory = ((torch.rand_like(x) >= self.share) / (1 - self.share),)
        return x * memory[0], memory

    def feedback(self, y: Tensor, memory: tuple[Tensor] | None) -> tuple[Tensor, tuple[Tensor] | None]:
        return (y if memory is None else y * memory[0]), memory


class Flatten(nn.Module):
    def feedforward(self, x: Tensor, memory: Any = None) -> tuple[Tensor, tuple[int, ...]]:
        return x.flatten(1), tuple(x.shape[1:])

    def feedback(self, y: Tensor, memory: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:
        return y.unflatten(1, memory), memory

"""Blocks of a network with feedback: weights, InsNorm, bias, AdaReLU and pooling in the order the report gives them.

Forward: weights, InsNorm, bias, AdaReLU, AdaPool. Feedback: InsNorm of what comes from above, AdaPool, AdaReLU, bias,
weights. So InsNorm acts on the pooled map, and what leaves a block downwards is not normalised.

With `adaptive` False every forward pass is like the first one, plain ReLU and max-pooling whatever feedback brought;
feedback still passes only where ReLU was open, and goes back to where the maxima were.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from biorobust.cnnf.model import pooled
from biorobust.cnnf.model.layers import AdaPool, AdaReLU, Bias, Conv2d, Linear, normalise
from biorobust.cnnf.model.pooled import Unpooled


class ConvMemory(NamedTuple):
    """gate, pool: the layers' own memories. drive: the convolution's output in the first pass. reconstruction: what
    feedback last made of the AdaReLU's output.
    """

    gate: Any
    pool: Any
    drive: Tensor
    reconstruction: Tensor | Unpooled | None


class ConvBlock(nn.Module):
    """3x3 convolution, InsNorm, bias, AdaReLU and, with `pool`, 2x2 AdaPool: (B, C, H, W) -> (B, C', h, w).

    One that pools does so first (`biorobust.cnnf.model.pooled`), the same numbers for less work; with `fuse` set to
    False it composes its layers.
    """

    def __init__(
        self, n_in: int, n_out: int, *, pool: bool, residual: float, subtract_bias: bool, adaptive: bool
    ) -> None:
        super().__init__()
        self.conv = Conv2d(n_in, n_out)
        self.bias = Bias(n_out, subtract=subtract_bias)
        self.gate = AdaReLU(residual)
        self.pool = AdaPool() if pool else None
        self.adaptive, self.fuse = adaptive, pool

    def feedforward(self, x: Tensor, memory: ConvMemory | None = None) -> tuple[Tensor, ConvMemory]:
        drive = self.conv.feedforward(x)
        memory = memory or ConvMemory(None, None, drive, None)
        gate, pool = (memory.gate, memory.pool) if self.adaptive else (None, None)
        if self.fuse:
            y, gate = pooled.feedforward(drive, gate, bias=self.bias.bias, residual=self.gate.residual)
        else:
            y, gate = self.gate.feedforward(self.bias.feedforward(normalise(drive)), gate)
            if self.pool is not None:
                y, pool = self.pool.feedforward(y, pool)
        return y, memory._replace(gate=gate, pool=pool)

    def imagine(self, y: Tensor, memory: ConvMemory) -> ConvMemory:
        """Feedback as far as the AdaReLU's output: the memory's `reconstruction`."""
        y, pool = normalise(y), memory.pool
        found: Tensor | Unpooled
        gate: Any
        if self.fuse:
            size = (memory.drive.shape[-2], memory.drive.shape[-1])
            found, gate = pooled.feedback(y, memory.gate, size=size)
        else:
            if self.pool is not None:
                y, pool = self.pool.feedback(y, pool)
            found, gate = self.gate.feedback(y, memory.gate)
        return memory._replace(gate=gate, pool=pool, reconstruction=found)

    def feedback(self, y: Tensor, memory: ConvMemory) -> tuple[Tensor, ConvMemory]:
        memory = self.imagine(y, memory)
        found = memory.reconstruction
        if isinstance(found, Unpooled):
            shift = self.bias.bias if self.bias.subtract else torch.zeros_like(self.bias.bias)
            below = pooled.unpool_shifted(found, shift)
        else:
            assert found is not None
            below = self.bias.feedback(found)
        return self.conv.feedback(below), memory

    def activation(self, memory: ConvMemory) -> Tensor:
        """The AdaReLU's output (B, C', H, W) in the first pass: what the block's reconstruction should become."""
        return self.bias.feedforward(normalise(memory.drive)).relu()


class DenseBlock(nn.Module):
    """Linear layer, bias and, with `gate`, AdaReLU: (B, *shape) -> (B, n_out). Its memory is that of the AdaReLU."""

    def __init__(
        self, shape: tuple[int, ...], n_out: int, *, gate: bool, residual: float, subtract_bias: bool, adaptive: bool
    ) -> None:
        super().__init__()
        self.linear = Linear(math.prod(shape), n_out)
        self.bias = Bias(n_out, subtract=subtract_bias)
        self.gate = AdaReLU(residual) if gate else None
        self.shape, self.adaptive = shape, adaptive

    def feedforward(self, x: Tensor, memory: Any = None) -> tuple[Tensor, Any]:
        y = self.bias.feedforward(self.linear.feedforward(x.flatten(1)))
        return (y, None) if self.gate is None else self.gate.feedforward(y, memory if self.adaptive else None)

    def feedback(self, y: Tensor, memory: Any) -> tuple[Tensor, Any]:
        if self.gate is not None:
            y, memory = self.gate.feedback(y, memory)
        return self.linear.feedback(self.bias.feedback(y)).unflatten(1, self.shape), memory


def rows(memory: Any, chosen: slice) -> Any:
    """A memory of some of the images only: every tensor in it cut to these rows, everything else as it is."""
    if isinstance(memory, Tensor):
        return memory[chosen]
    if isinstance(memory, tuple):
        parts = [rows(part, chosen) for part in memory]
        return type(memory)(*parts) if hasattr(memory, "_fields") else tuple(parts)
    return memory

"""Blocks of a network with feedback: weights, InsNorm, bias, AdaReLU and pooling in the order the report gives them.

Forward: weights, InsNorm, bias, AdaReLU, AdaPool. Feedback: InsNorm of what comes from above, AdaPool, AdaReLU, bias,
weights. So InsNorm acts on the pooled map, and what leaves a block downwards is not normalised.

With `adaptive` False every forward pass is like the first one, plain ReLU and max-pooling whatever feedback brought;
feedback still passes only where ReLU was open, and goes back to where the maxima were.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from biorobust.cnnf.model import pooled
from biorobust.cnnf.model.layers import AdaPool, AdaReLU, Bias, Conv2d, Flatten, InsNorm, Linear
from biorobust.cnnf.model.pooled import Unpooled


class BlockMemory(NamedTuple):
    """sizes: what the weights need to go back. gate, pool: the layers' own memories.

    drive: the weights' output in the first pass. reconstruction: what feedback last made of the AdaReLU's output.
    """

    sizes: Any
    gate: Any
    pool: Any
    drive: Tensor
    reconstruction: Tensor | Unpooled | None


class Block(nn.Module, ABC):
    """Weights and all that follows them up to the next weights."""

    @abstractmethod
    def feedforward(self, x: Tensor, memory: BlockMemory | None = None) -> tuple[Tensor, BlockMemory]:
        """Upwards; memory None: the first pass over these images."""

    @abstractmethod
    def feedback(self, y: Tensor, memory: BlockMemory) -> tuple[Tensor, BlockMemory]:
        """Downwards, from what should have come out of the block to what should have gone in."""


class ConvBlock(Block):
    """3x3 convolution, InsNorm, bias, AdaReLU and, with `pool`, 2x2 AdaPool: (B, C, H, W) -> (B, C', h, w).

    fuse: pool first (`biorobust.cnnf.model.pooled`), the same numbers for less work; False composes the layers.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        pool: bool,
        residual: float,
        subtract_bias: bool = True,
        adaptive: bool = True,
        fuse: bool = True,
    ) -> None:
        super().__init__()
        self.conv = Conv2d(n_in, n_out)
        self.norm = InsNorm()
        self.bias = Bias(n_out, subtract=subtract_bias)
        self.gate = AdaReLU(residual)
        self.pool = AdaPool() if pool else None
        self.adaptive, self.fuse = adaptive, fuse and pool

    def feedforward(self, x: Tensor, memory: BlockMemory | None = None) -> tuple[Tensor, BlockMemory]:
        drive, sizes = self.conv.feedforward(x)
        kept = drive if memory is None else memory.drive
        gate, pool = (None, None) if memory is None or not self.adaptive else (memory.gate, memory.pool)
        if self.fuse:
            y, gate = pooled.feedforward(drive, gate, bias=self.bias.bias, residual=self.gate.residual)
            return y, BlockMemory(sizes, gate, None, kept, None)
        y, gate = self.gate.feedforward(self.bias.feedforward(self.norm.feedforward(drive)[0])[0], gate)
        if self.pool is not None:
            y, pool = self.pool.feedforward(y, pool)
        return y, BlockMemory(sizes, gate, pool, kept, None)

    def imagine(self, y: Tensor, memory: BlockMemory) -> BlockMemory:
        """Feedback as far as the AdaReLU's output: the memory's `reconstruction`."""
        y, _ = self.norm.feedback(y)
        if self.fuse:
            size = (memory.drive.shape[-2], memory.drive.shape[-1])
            unpooled, choice = pooled.feedback(y, memory.gate, size=size)
            return memory._replace(gate=choice, reconstruction=unpooled)
        pool = memory.pool
        if self.pool is not None:
            y, pool = self.pool.feedback(y, pool)
        reconstruction, gate = self.gate.feedback(y, memory.gate)
        return memory._replace(gate=gate, pool=pool, reconstruction=reconstruction)

    def descend(self, memory: BlockMemory) -> Tensor:
        """The rest of feedback: from the `reconstruction` to what the block's input should have been."""
        found = memory.reconstruction
        assert found is not None
        if isinstance(found, Tensor):
            below, _ = self.bias.feedback(found)
        else:
            shift = self.bias.bias if self.bias.subtract else torch.zeros_like(self.bias.bias)
            below = pooled.unpool_shifted(found, shift)
        return self.conv.feedback(below, memory.sizes)[0]

    def feedback(self, y: Tensor, memory: BlockMemory) -> tuple[Tensor, BlockMemory]:
        memory = self.imagine(y, memory)
        return self.descend(memory), memory

    def activation(self, memory: BlockMemory) -> Tensor:
        """The AdaReLU's output (B, C', H, W) in the first pass: what the block's reconstruction should become."""
        return self.bias.feedforward(self.norm.feedforward(memory.drive)[0])[0].relu()


class DenseBlock(Block):
    """Linear layer, bias and, with `gate`, AdaReLU: (B, N) or (B, C, H, W) with N numbers each -> (B, N')."""

    def __init__(
        self, n_in: int, n_out: int, *, gate: bool, residual: float, subtract_bias: bool = True, adaptive: bool = True
    ) -> None:
        super().__init__()
        self.flatten = Flatten()
        self.linear = Linear(n_in, n_out)
        self.bias = Bias(n_out, subtract=subtract_bias)
        self.gate = AdaReLU(residual) if gate else None
        self.adaptive = adaptive

    def feedforward(self, x: Tensor, memory: BlockMemory | None = None) -> tuple[Tensor, BlockMemory]:
        flat, sizes = self.flatten.feedforward(x)
        drive, _ = self.linear.feedforward(flat)
        y, _ = self.bias.feedforward(drive)
        gate = None if memory is None or not self.adaptive else memory.gate
        if self.gate is not None:
            y, gate = self.gate.feedforward(y, gate)
        return y, BlockMemory(sizes, gate, None, drive if memory is None else memory.drive, None)

    def feedback(self, y: Tensor, memory: BlockMemory) -> tuple[Tensor, BlockMemory]:
        gate = memory.gate
        if self.gate is not None:
            y, gate = self.gate.feedback(y, gate)
        below, _ = self.linear.feedback(self.bias.feedback(y)[0])
        x, _ = self.flatten.feedback(below, memory.sizes)
        return x, BlockMemory(memory.sizes, gate, None, memory.drive, y)


def rows(memory: Any, chosen: slice) -> Any:
    """A memory of some of the images only: every tensor in it cut to these rows, everything else as it is."""
    if isinstance(memory, Tensor):
        return memory[chosen]
    if isinstance(memory, tuple):
        parts = [rows(part, chosen) for part in memory]
        return type(memory)(*parts) if hasattr(memory, "_fields") else tuple(parts)
    return memory

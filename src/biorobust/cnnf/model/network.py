"""Networks with recurrent generative feedback (Huang et al. 2020): one first pass, then T cycles.

A cycle takes the logits back to the inner feature h, moves h the share r towards what arrived, h <- h + r (h' - h), and
goes forward from there. With T = 0 this is the plain CNN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from biorobust.cnnf.model.blocks import Block, BlockMemory, ConvBlock, DenseBlock, rows
from biorobust.cnnf.model.pooled import Unpooled
from biorobust.cnnf.model.smooth import smooth

READOUTS = ("average", "last")


class State(NamedTuple):
    """Where the images of a batch stand after some cycles.

    logits: (B, K). feature: h, the input of block `ind`. reconstruction: h' that feedback last made of it, None before
    the first cycle. memories: one per block.
    """

    logits: Tensor
    feature: Tensor
    reconstruction: Tensor | None
    memories: tuple[BlockMemory, ...]

    def rows(self, chosen: slice) -> State:
        """The state of some of the images only."""
        return State(*(rows(part, chosen) for part in self))


class FeedbackNetwork(nn.Module):
    """Blocks with feedforward and feedback, the input feature of block `ind` being the one that cycles.

    cycles: T, 0 or more. residual: r in [0, 1], also that of every AdaReLU. ind: 0 (pixels) to len(blocks) - 1.
    readout: what `forward` gives, the `average` of the logits of all cycles (first pass included) or the `last`.
    image_shape: (C, H, W) of the images, which are scaled from [0, 1] to [-1, 1] inside.
    Raises ValueError for other values.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        *,
        cycles: int,
        residual: float,
        ind: int,
        readout: str,
        image_shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        if isinstance(cycles, bool) or not isinstance(cycles, int) or cycles < 0:
            raise ValueError(f"cycles = {cycles!r}: must be an integer of 0 or more")
        if not 0 <= residual <= 1:
            raise ValueError(f"residual = {residual!r}: must be a number in [0, 1]")
        if ind not in range(len(blocks)):
            raise ValueError(f"ind = {ind!r}: must be an integer from 0 (pixels) to {len(blocks) - 1}")
        if readout not in READOUTS:
            raise ValueError(f"readout = {readout!r}: must be one of {', '.join(READOUTS)}")
        self.blocks = nn.ModuleList(blocks)
        self.cycles, self.residual, self.ind, self.readout = cycles, residual, ind, readout
        self.image_shape = image_shape

    @property
    def stack(self) -> tuple[Block, ...]:
        return cast(tuple[Block, ...], tuple(self.blocks))

    def first_pass(self, images: Tensor) -> State:
        """images: float (B, C, H, W) in [0, 1]. Raises ValueError for another shape, NaN and infinite values."""
        if images.ndim != 4 or tuple(images.shape[1:]) != tuple(self.image_shape):
            wanted = ", ".join(map(str, self.image_shape))
            raise ValueError(f"images are {tuple(images.shape)}: this network takes (B, {wanted})")
        if not bool(images.detach().sum().isfinite()):
            raise ValueError("images hold NaN or infinite values")
        x, feature, memories = images * 2 - 1, images, []
        for index, block in enumerate(self.stack):
            feature = x if index == self.ind else feature
            x, memory = block.feedforward(x)
            memories.append(memory)
        return State(x, feature, None, tuple(memories))

    def cycle(self, state: State) -> State:
        """One cycle: feedback to h', h moved towards it, forward from h."""
        memories = list(state.memories)
        y = state.logits
        for index in reversed(range(self.ind, len(self.blocks))):
            y, memories[index] = self.stack[index].feedback(y, memories[index])
        feature = x = torch.lerp(state.feature, y, self.residual)
        for index in range(self.ind, len(self.blocks)):
            reconstruction = memories[index].reconstruction
            x, memory = self.stack[index].feedforward(x, memories[index])
            memories[index] = memory._replace(reconstruction=reconstruction)
        return State(x, feature, y, tuple(memories))

    def imagine(self, state: State, block: int) -> Tensor | Unpooled:
        """What feedback made of the activation of any convolutional block; one below the inner feature is reached by
        taking feedback on downwards from h', through the gates of the first pass.
        """
        found, y = state.memories[block].reconstruction, state.reconstruction
        for index in reversed(range(block, self.ind)):
            lower = self.stack[index]
            assert isinstance(lower, ConvBlock)
            assert y is not None
            memory = lower.imagine(y, state.memories[index])
            found = memory.reconstruction
            y = lower.descend(memory) if index > block else y
        if found is None:
            raise ValueError("no feedback has arrived yet: run a cycle first")
        return found

    def pixels(self, state: State) -> Tensor:
        """Feedback taken on to the pixels, (B, C, H, W): unnormalised, so only the pattern means something."""
        y = state.reconstruction
        if y is None:
            raise ValueError("no feedback has arrived yet: run a cycle first")
        for index in reversed(range(self.ind)):
            y, _ = self.stack[index].feedback(y, state.memories[index])
        return y

    def states(self, images: Tensor) -> list[State]:
        """The states after the first pass and after each cycle: T + 1 of them."""
        found = [self.first_pass(images)]
        for _ in range(self.cycles):
            found.append(self.cycle(found[-1]))
        return found

    def read(self, logits: Tensor) -> Tensor:
        """The counted readout (B, K) of the logits of all cycles (T + 1, B, K)."""
        return logits[-1] if self.readout == "last" or len(logits) == 1 else logits.mean(dim=0)

    def forward(self, images: Tensor, return_cycles: bool = False) -> Tensor:
        """Logits (B, K) of the readout; with `return_cycles` (T + 1, B, K) of every cycle, first pass included."""
        state = self.first_pass(images)
        logits = [state.logits]
        for _ in range(self.cycles):
            state = self.cycle(state)
            logits.append(state.logits)
        stacked = torch.stack(logits)
        return stacked if return_cycles else self.read(stacked)


class TwoBlock(FeedbackNetwork):
    """The report's network: two blocks (3x3 convolution, InsNorm, ReLU, 2x2 max-pool), then a linear layer.

    `width` and twice `width` channels (the report gives no numbers). ind: 0 pixels, 1 the pooled output of the first
    block, 2 that of the second. Feature 1 is "an inner feature" from which a cycle costs one convolution each way.
    adaptive: whether feedback decides what ReLU and pooling let through in later passes (the original's code) or has no
    part in them (the report's text).
    """

    def __init__(
        self,
        n_classes: int,
        *,
        cycles: int,
        residual: float,
        width: int = 8,
        ind: int = 1,
        readout: str = "average",
        subtract_bias: bool = True,
        adaptive: bool = True,
        fuse: bool = True,
        image_shape: tuple[int, int, int] = (1, 28, 28),
    ) -> None:
        channels, height, wide = image_shape
        options: dict[str, Any] = {"residual": residual, "subtract_bias": subtract_bias, "adaptive": adaptive}
        blocks: list[Block] = [
            ConvBlock(channels, width, pool=True, fuse=fuse, **options),
            ConvBlock(width, 2 * width, pool=True, fuse=fuse, **options),
            DenseBlock(2 * width * (height // 4) * (wide // 4), n_classes, gate=False, **options),
        ]
        super().__init__(blocks, cycles=cycles, residual=residual, ind=ind, readout=readout, image_shape=image_shape)


class CNNF(FeedbackNetwork):
    """The original's network for Fashion-MNIST: 4 convolutions (16, 32, 32, 64 channels) and 3 linear layers.

    3,298,962 parameters for 10 classes. ind: 0 pixels, 1 and 2 the outputs of the first and second convolution
    (2 is the original's), 3 the pooled output of the third, and so on. subtract_bias: False as in the original's code;
    with its weights and True, logits are others altogether. `biorobust.cnnf.model.official` loads the original's files.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        cycles: int,
        residual: float,
        ind: int = 2,
        readout: str = "average",
        subtract_bias: bool = False,
        adaptive: bool = True,
        fuse: bool = True,
        image_shape: tuple[int, int, int] = (1, 28, 28),
    ) -> None:
        channels, height, wide = image_shape
        options: dict[str, Any] = {"residual": residual, "subtract_bias": subtract_bias, "adaptive": adaptive}
        convolutions = [(channels, 16, False), (16, 32, False), (32, 32, True), (32, 64, True)]
        dense = [(64 * (height // 4) * (wide // 4), 1000, True), (1000, 128, True), (128, n_classes, False)]
        blocks: list[Block] = [
            *(ConvBlock(a, b, pool=pool, fuse=fuse, **options) for a, b, pool in convolutions),
            *(DenseBlock(a, b, gate=gate, **options) for a, b, gate in dense),
        ]
        super().__init__(blocks, cycles=cycles, residual=residual, ind=ind, readout=readout, image_shape=image_shape)


class FirstPass(nn.Module):
    """The logits of the first pass alone, as a module an attack can take gradients through."""

    def __init__(self, network: FeedbackNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.first_pass(images).logits


def attack_views(model: nn.Module) -> dict[str, nn.Module]:
    """ "first": gradients through the first pass only, the original's weaker attack. "smooth": soft gates."""
    assert isinstance(model, FeedbackNetwork)
    return {"first": FirstPass(model).eval(), "smooth": smooth(model)}


NETWORKS: Mapping[str, type[FeedbackNetwork]] = {"two-block": TwoBlock, "original": CNNF}


def build_two_block(config: Mapping[str, Any]) -> FeedbackNetwork:
    return TwoBlock(**config)


def build_original(config: Mapping[str, Any]) -> FeedbackNetwork:
    return CNNF(**config)

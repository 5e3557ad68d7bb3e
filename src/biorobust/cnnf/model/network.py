"""Networks with recurrent generative feedback (Huang et al. 2020): one first pass, then T cycles.

A cycle takes the logits back to the inner feature h, moves h the share r towards what arrived, h <- h + r (h' - h), and
goes forward from there. With T = 0 this is the plain CNN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from biorobust.cnnf.model.blocks import ConvBlock, DenseBlock, rows
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
    memories: tuple[Any, ...]

    def rows(self, chosen: slice) -> State:
        """The state of some of the images only."""
        return State(*(rows(part, chosen) for part in self))


class FeedbackNetwork(nn.Module):
    """Blocks with feedforward and feedback, the input feature of block `ind` being the one that cycles.

    convolutions: channels of each convolution, and whether it pools. dense: sizes of the linear layers, the last one
    the number of classes. cycles: T, 0 or more. residual: r in [0, 1], also that of every AdaReLU. ind: 0 (pixels) to
    the last block. readout: what `forward` gives, the `average` of the logits of all cycles (first pass included) or
    the `last`. subtract_bias: as of `layers.Bias`. adaptive: whether feedback decides what ReLU and pooling let through
    in later passes (the original's code) or has no part in them (the report's text).
    image_shape: (C, H, W) of the images, which are scaled from [0, 1] to [-1, 1] inside.
    Raises ValueError for other values.
    """

    def __init__(
        self,
        convolutions: Sequence[tuple[int, bool]],
        dense: Sequence[int],
        *,
        cycles: int,
        residual: float,
        ind: int,
        subtract_bias: bool,
        readout: str = "average",
        adaptive: bool = True,
        image_shape: tuple[int, int, int] = (1, 28, 28),
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"residual": residual, "subtract_bias": subtract_bias, "adaptive": adaptive}
        blocks: list[ConvBlock | DenseBlock] = []
        shape: tuple[int, ...] = tuple(image_shape)
        for n_out, pool in convolutions:
            blocks.append(ConvBlock(shape[0], n_out, pool=pool, **options))
            shape = (n_out, *(size // 2 if pool else size for size in shape[1:]))
        for place, n_out in enumerate(dense, start=1):
            blocks.append(DenseBlock(shape, n_out, gate=place < len(dense), **options))
            shape = (n_out,)
        if not (isinstance(cycles, int) and cycles >= 0 and 0 <= residual <= 1):
            raise ValueError(f"{cycles = }, {residual = }: need an integer of 0 or more, and a number in [0, 1]")
        if ind not in range(len(blocks)) or readout not in READOUTS:
            raise ValueError(f"{ind = }, {readout = }: need 0 (pixels) to {len(blocks) - 1}, and one of {READOUTS}")
        self.blocks = nn.ModuleList(blocks)
        self.cycles, self.residual, self.ind, self.readout = cycles, residual, ind, readout
        self.image_shape = image_shape

    @property
    def stack(self) -> tuple[ConvBlock | DenseBlock, ...]:
        return cast("tuple[ConvBlock | DenseBlock, ...]", tuple(self.blocks))

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
        memories, cycled = list(state.memories), range(self.ind, len(self.blocks))
        y = state.logits
        for index in reversed(cycled):
            y, memories[index] = self.stack[index].feedback(y, memories[index])
        feature = x = torch.lerp(state.feature, y, self.residual)
        for index in cycled:
            x, memories[index] = self.stack[index].feedforward(x, memories[index])
        return State(x, feature, y, tuple(memories))

    def _descended(self, state: State, block: int) -> Tensor:
        """Feedback taken on from h' to the input of a block below, through the gates of the first pass."""
        y = state.reconstruction
        assert y is not None, "no feedback has arrived yet: run a cycle first"
        for index in reversed(range(block, self.ind)):
            y, _ = self.stack[index].feedback(y, state.memories[index])
        return y

    def imagine(self, state: State, block: int) -> Tensor | Unpooled:
        """What feedback made of the activation of any convolutional block, be it below the inner feature or not."""
        memory, lower = state.memories[block], self.stack[block]
        if block < self.ind:
            assert isinstance(lower, ConvBlock)
            memory = lower.imagine(self._descended(state, block + 1), memory)
        found: Tensor | Unpooled = memory.reconstruction
        return found

    def pixels(self, state: State) -> Tensor:
        """Feedback taken on to the pixels, (B, C, H, W): unnormalised, so only the pattern means something."""
        return self._descended(state, 0)

    def states(self, images: Tensor) -> Iterator[State]:
        """The states after the first pass and after each cycle: T + 1 of them."""
        state = self.first_pass(images)
        yield state
        for _ in range(self.cycles):
            state = self.cycle(state)
            yield state

    def read(self, logits: Tensor) -> Tensor:
        """The counted readout (B, K) of the logits of all cycles (T + 1, B, K)."""
        return logits[-1] if self.readout == "last" or len(logits) == 1 else logits.mean(dim=0)

    def forward(self, images: Tensor, return_cycles: bool = False) -> Tensor:
        """Logits (B, K) of the readout; with `return_cycles` (T + 1, B, K) of every cycle, first pass included."""
        logits = torch.stack([state.logits for state in self.states(images)])
        return logits if return_cycles else self.read(logits)


class TwoBlock(FeedbackNetwork):
    """The report's network: two blocks (3x3 convolution, InsNorm, ReLU, 2x2 max-pool), then a linear layer.

    `width` and twice `width` channels (the report gives no numbers). ind: 0 pixels, 1 the pooled output of the first
    block, 2 that of the second. Feature 1 is "an inner feature" from which a cycle costs one convolution each way.
    options: as of `FeedbackNetwork`.
    """

    def __init__(
        self, n_classes: int, *, width: int = 8, ind: int = 1, subtract_bias: bool = True, **options: Any
    ) -> None:
        super().__init__(
            [(width, True), (2 * width, True)], [n_classes], ind=ind, subtract_bias=subtract_bias, **options
        )


class CNNF(FeedbackNetwork):
    """The original's network for Fashion-MNIST: 4 convolutions (16, 32, 32, 64 channels) and 3 linear layers.

    3,298,962 parameters for 10 classes. ind: 0 pixels, 1 and 2 the outputs of the first and second convolution
    (2 is the original's), 3 the pooled output of the third, and so on. subtract_bias: False as in the original's code;
    with its weights and True, logits are others altogether. `biorobust.cnnf.model.official` loads the original's files.
    options: as of `FeedbackNetwork`.
    """

    def __init__(self, n_classes: int, *, ind: int = 2, subtract_bias: bool = False, **options: Any) -> None:
        convolutions = [(16, False), (32, False), (32, True), (64, True)]
        super().__init__(convolutions, [1000, 128, n_classes], ind=ind, subtract_bias=subtract_bias, **options)


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


def build_two_block(config: Mapping[str, Any]) -> FeedbackNetwork:
    return TwoBlock(**config)


def build_original(config: Mapping[str, Any]) -> FeedbackNetwork:
    return CNNF(**config)

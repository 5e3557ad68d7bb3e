"""The k-WTA activation: forward and backward against the published top-k formulation and against ReLU.

On the shapes of ResNet18's first activation at 224 pixels and of a late one. The last measurement is the report's own
claim that finding the k largest takes a time in proportion to the number of values (`benchmarks.growth`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.growth import GAMMA, HALFWAY, LONG, SHORT, growth, median, seconds_by_round
from benchmarks.timing import Measurement, fresh, paired, single

if TYPE_CHECKING:
    from torch import Tensor

LARGE, SMALL = (64, 64, 112, 112), (64, 64, 16, 16)
PUBLISHED = "k-WTA forward, {}, against the published formulation"
RELU = "k-WTA forward, 64x64x112x112, against ReLU"
BACKWARD = "k-WTA backward, {}, against ReLU"
KEPT = "k-WTA, bytes a value kept beside the output, against 1"
GROWTH = f"k-WTA selection, marginal time a value at {LONG:,} values, against {SHORT:,}"
LIMITS = {
    PUBLISHED.format("64x64x112x112"): 0.25,
    PUBLISHED.format("64x64x16x16"): 0.25,
    RELU: 3.0,
    BACKWARD.format("64x64x112x112"): 1.3,
    BACKWARD.format("64x64x16x16"): 1.3,
    KEPT: 1.0,
    GROWTH: HALFWAY,
}


def published(x: Tensor, gamma: float) -> Tensor:
    """The published formulation: sorted top-k, the threshold repeated to the shape of the input, times a float mask."""
    rows = x.reshape(len(x), -1)
    smallest = rows.topk(int(gamma * rows.shape[1]), dim=1).values[:, -1]
    threshold = smallest.repeat(rows.shape[1], 1).permute(1, 0)
    return (rows >= threshold).to(x.dtype).view_as(x) * x


def normal(shape: tuple[int, ...]) -> Tensor:
    """Batch-normalised activations, as far as a selection can tell."""
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def forward(shape: tuple[int, ...], what: str, *, against: str, repeats: int) -> Measurement:
    """One forward pass that keeps what a backward pass needs, as in training."""
    import torch

    from biorobust.kwta import kwta

    x = normal(shape).requires_grad_()
    reference = partial(published, x, GAMMA) if against == "published" else partial(torch.relu, x)
    if against == "published":
        assert torch.equal(kwta(x, GAMMA), published(x, GAMMA))
    return paired(what, partial(kwta, x, GAMMA), reference, repeats=repeats)


def backward(shape: tuple[int, ...], what: str, *, repeats: int) -> Measurement:
    """One backward pass through the activation alone."""
    import torch

    from biorobust.kwta import kwta

    x, upstream = normal(shape).requires_grad_(), normal(shape)
    ours, relu = kwta(x, GAMMA), torch.relu(x)
    differentiate = partial(torch.autograd.grad, inputs=x, grad_outputs=upstream, retain_graph=True)
    return paired(what, partial(differentiate, ours), partial(differentiate, relu), repeats=repeats)


def kept() -> Measurement:
    """What autograd holds for the backward pass and the output does not hold anyway, in the dearest case."""
    from torch.autograd.graph import saved_tensors_hooks

    from biorobust.kwta import kwta

    x = (normal(SMALL) - 3).requires_grad_()  # negative winners: the output does not tell who won
    saved: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        output = kwta(x, GAMMA)
    own = [tensor for tensor in saved if tensor.data_ptr() != output.data_ptr()]
    size = sum(tensor.numel() * tensor.element_size() for tensor in own) / x.numel()
    return single(KEPT, unit="bytes", ours=size, reference=1.0)


def selection(*, rounds: int) -> Measurement:
    """1 where the time is in proportion to the number of values."""
    seconds = seconds_by_round(rounds)["selection"]
    return single(GROWTH, unit="", ours=median([growth(taken) for taken in seconds])[0], reference=1.0)


def measure() -> list[Measurement]:
    return [
        fresh(forward, LARGE, PUBLISHED.format("64x64x112x112"), against="published", repeats=3),
        fresh(forward, SMALL, PUBLISHED.format("64x64x16x16"), against="published", repeats=15),
        fresh(forward, LARGE, RELU, against="relu", repeats=7),
        fresh(backward, LARGE, BACKWARD.format("64x64x112x112"), repeats=7),
        fresh(backward, SMALL, BACKWARD.format("64x64x16x16"), repeats=101),
        kept(),
        fresh(selection, rounds=15),
    ]

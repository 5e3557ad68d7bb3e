"""What an attack increases: per-image losses of a model's outputs, summed over the minibatch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]


def negative_output(outputs: Tensor, labels: Tensor) -> Tensor:
    """Sum of -output[label]: what the report's attack used (`nll_loss` applied to whatever the network returns)."""
    return -outputs.gather(1, labels.unsqueeze(1)).sum()


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Softmax cross-entropy of logits."""
    return functional.cross_entropy(outputs, labels, reduction="sum")


def margin(outputs: Tensor, labels: Tensor) -> Tensor:
    """Sum of max over other classes minus the true class's logit: linear in the logits, so it cannot saturate."""
    true = outputs.gather(1, labels.unsqueeze(1)).squeeze(1)
    others = outputs.scatter(1, labels.unsqueeze(1), float("-inf"))
    return (others.amax(dim=1) - true).sum()

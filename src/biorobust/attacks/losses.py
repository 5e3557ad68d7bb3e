"""What an attack increases: losses of a model's outputs (B, K), image by image or summed over the minibatch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from biorobust.core.errors import BiorobustError

Loss = Callable[[Tensor, Tensor], Tensor]  # outputs (B, K), labels (B,) -> the sum over the minibatch
ImageLoss = Callable[[Tensor, Tensor], Tensor]  # the same -> (B,)
TargetedLoss = Callable[[Tensor, Tensor, Tensor], Tensor]  # outputs, labels, targets (B,) -> (B,)


def negative_output(outputs: Tensor, labels: Tensor) -> Tensor:
    """Sum of -output[label]: what the report's attack used (`nll_loss` applied to whatever the network returns)."""
    return -outputs.gather(1, labels.unsqueeze(1)).sum()


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, labels, reduction="sum")


def margin(outputs: Tensor, labels: Tensor) -> Tensor:
    """Sum of max over other classes minus the true class's logit: linear in the logits, so it cannot saturate."""
    return margins(outputs, labels).sum()


def margins(outputs: Tensor, labels: Tensor) -> Tensor:
    """(B,), largest other logit minus the true class's: above 0 where the image is misclassified."""
    true = outputs.gather(1, labels.unsqueeze(1)).squeeze(1)
    others = outputs.scatter(1, labels.unsqueeze(1), float("-inf"))
    return others.amax(dim=1) - true


def cross_entropies(outputs: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, labels, reduction="none")


def logits_ratios(outputs: Tensor, labels: Tensor) -> Tensor:
    """(B,), difference of logits ratio (Croce & Hein 2020, eq. 6): the margin over that of the best and third logit.

    Neither shifting nor scaling the logits changes it. Raises BiorobustError for fewer than three classes.
    """
    best = _largest(outputs, 3)
    return margins(outputs, labels) / (best[:, 0] - best[:, 2]).clamp_min(_TINY)


def targeted_logits_ratios(outputs: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """(B,), the same towards one class (eq. 7). Raises BiorobustError for fewer than four classes."""
    best = _largest(outputs, 4)
    ahead = outputs.gather(1, targets.unsqueeze(1)) - outputs.gather(1, labels.unsqueeze(1))
    return ahead.squeeze(1) / (best[:, 0] - (best[:, 2] + best[:, 3]) / 2).clamp_min(_TINY)


_TINY = 1e-12


def _largest(outputs: Tensor, k: int) -> Tensor:
    if outputs.shape[1] < k:
        raise BiorobustError(f"the difference of logits ratio needs {k} classes, the model has {outputs.shape[1]}")
    return outputs.topk(k, dim=1).values

"""What a model says of images, and whether it is fooled: in one forward pass, or in several where it is noisy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from biorobust.attacks import draws

NO_CLASS = -1  # the prediction of a model whose outputs are not numbers; no label equals it


@dataclass(frozen=True)
class Score:
    """predicted: (B,) int64; fooled_share: (B,) float, the share of forward passes that gave another class."""

    predicted: Tensor
    fooled_share: Tensor

    def agrees(self, other: Score, *, repeats: int) -> Tensor:
        """(B,) bool: the same prediction; for several forward passes the same side of one half."""
        if repeats == 1:
            return self.predicted == other.predicted
        return (self.fooled_share >= 0.5) == (other.fooled_share >= 0.5)


def classes(outputs: Tensor) -> Tensor:
    """The class with the largest output, (B,) int64; NO_CLASS where one of the outputs (B, K) is NaN."""
    return torch.where(outputs.isnan().any(dim=1), NO_CLASS, outputs.argmax(dim=1))


@torch.no_grad()
def deterministic(model: nn.Module, images: Tensor) -> bool:
    """Whether two passes over the same images agree to the bit and draw none of torch's random numbers."""

    def drawn() -> list[Tensor]:
        return [torch.get_rng_state(), *([torch.cuda.get_rng_state(images.device)] if images.is_cuda else [])]

    before, outputs, after = drawn(), model(images), drawn()
    same = all(map(torch.equal, before, after))
    return same and torch.allclose(outputs, model(images), rtol=0, atol=0, equal_nan=True)


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, *, batch_size: int | None = None) -> Tensor:
    """Classes (B,) of images (B, C, H, W) in minibatches of `batch_size`, by default in one."""
    return torch.cat([classes(model(part)) for part in images.split(batch_size or len(images))])


def score(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    repeats: int = 1,
    batch_size: int | None = None,
    keys: Tensor | None = None,
) -> Score:
    """Whether images are misclassified: in at least half of `repeats` forward passes, each with noise of its own.

    A model is right by a majority of its passes, so a tie is no right answer. The prediction is the label where it is
    right, and else the other class that was given most often. keys: int64 (B,); the passes of an image are then one
    minibatch of it alone, under a seed from its key, so that no other image has a part in its noise.
    """
    if keys is None:
        said = torch.stack([predict(model, images, batch_size=batch_size) for _ in range(repeats)])
    else:
        found = []
        for image, key in zip(images, keys.tolist(), strict=True):
            draws.begin(key, image.device)
            found.append(predict(model, image.expand(repeats, *image.shape), batch_size=batch_size))
        said = torch.stack(found, dim=1)
    share = (said != labels).double().mean(dim=0)
    votes = torch.zeros(len(labels), int(torch.max(said.max(), labels.max())) + 2, device=labels.device)
    votes.scatter_add_(1, (said - NO_CLASS).T, torch.ones_like(votes[:, :1]).expand(-1, repeats))
    votes.scatter_(1, (labels - NO_CLASS).unsqueeze(1), -1)
    return Score(torch.where(share >= 0.5, votes.argmax(dim=1) + NO_CLASS, labels), share)

"""Other ways to look at a model: averaged over its noise, and behind its resizing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from biorobust.core.errors import BiorobustError


class Averaged(nn.Module):
    """Logits averaged over `n` forward passes; a gradient goes through all of them.

    Expectation over transformation (Athalye et al. 2018) for a model that draws noise of its own: a view for attacks.
    Memory of a gradient grows with n. For a deterministic model it is the model, n times as dear.
    """

    def __init__(self, model: nn.Module, n: int) -> None:
        super().__init__()
        if n < 1:
            raise ValueError(f"n = {n}: must be 1 or more")
        self.model, self.n = model, n

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.model(x) for _ in range(self.n)]).mean(dim=0)


def averaged(model: nn.Module, n: int) -> nn.Module:
    return Averaged(model, n).eval()


@torch.no_grad()
def at_resized(model: nn.Module, images: Tensor, *, batch_size: int = 256) -> tuple[nn.Module, Tensor]:
    """The other threat model of a network that resizes: what stands behind the resizing, and what it gets to see.

    images: (N, C, H, W) in [0, 1]. Returns (model.body, model.resize(images)), the two arguments for `run` by which
    epsilon bounds the change of the resized pixels. The body must take images in [0, 1] and normalise them itself.
    Raises BiorobustError for a model without `resize` and `body`.
    """
    resize, body = getattr(model, "resize", None), getattr(model, "body", None)
    if not (callable(resize) and isinstance(body, nn.Module)):
        raise BiorobustError(
            f"{type(model).__name__} does not resize its images: it has no .resize and .body to attack"
        )
    resized = torch.cat([resize(part) for part in images.split(batch_size)])
    return body, resized.clamp(0, 1)  # interpolation weights add up to 1 but for rounding

"""What passes between the runner and an attack: the minibatch to attack, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from biorobust.attacks import draws


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One minibatch to attack.

    images: float (B, C, H, W) in [0, 1]; labels: int64 (B,); targets: int64 (B,), the classes a targeted attack is to
    reach. generator: on the CPU, for random starts; it goes on from minibatch to minibatch. judge: the model that is
    scored, given when iterates are looked at. The rest is for attacks whose random numbers belong to images: seed,
    name and index (int64 (B,), a number per image) decide them. wrong: bool (B,), misclassified without an attack.
    repeats: passes that decide over a noisy judge. given: by name, points found before, (n_eps, B, C, H, W). say: what
    is being done, for whoever waits.
    """

    images: Tensor
    labels: Tensor
    generator: torch.Generator
    targets: Tensor | None = None
    judge: nn.Module | None = None
    seed: int = 0
    name: str = ""
    index: Tensor | None = None
    wrong: Tensor | None = None
    repeats: int = 1
    given: Mapping[str, Tensor] = field(default_factory=dict)
    say: Callable[[str], None] | None = None

    def keys(self, *purpose: object) -> Tensor:
        """int64 (B,): the keys of the images' random numbers for one purpose (`biorobust.attacks.draws`)."""
        index = torch.arange(len(self.labels), device=self.labels.device) if self.index is None else self.index
        return draws.keys(index, self.seed, self.name, *purpose)


@dataclass(frozen=True, kw_only=True)
class Crafted:
    """Adversarial images of one minibatch; the lists have one entry per epsilon.

    images: (B, C, H, W). zero_gradient: (B,) bool, the gradient was exactly zero in every pixel where the attack began.
    nonfinite_gradient: (B,) bool, at some step of the attack the gradient was NaN or infinite in some pixel.
    step: (B,) int64, the step the image was taken from. best: the same, from the first iterate that fooled the judge.
    raw: (B, C, H, W), the perturbation of a minimising attack before it was clipped to any epsilon.
    """

    images: list[Tensor]
    zero_gradient: list[Tensor]
    nonfinite_gradient: list[Tensor]
    step: list[Tensor]
    best: Crafted | None = None
    raw: Tensor | None = None


def wide(values: Tensor, like: Tensor) -> Tensor:
    """Values of images, (B,), for tensors (B, C, H, W)."""
    return values.view(-1, *[1] * (like.ndim - 1))


def unless_broken(changed: Tensor, images: Tensor) -> Tensor:
    """`changed`, but the original image (of the same (B, C, H, W)) where a pixel is not a finite number."""
    usable = changed.isfinite().flatten(1).all(dim=1)
    return torch.where(wide(usable, images), changed, images)


def linf(changed: Tensor, images: Tensor) -> Tensor:
    """L-infinity distances (B,) between two sets of images (B, C, H, W)."""
    return (changed - images).abs().flatten(1).amax(dim=1)

"""Response noise of V1 cells: what is added, and where the random numbers come from.

Neuronal noise has a variance equal to its mean (a Fano factor near 1), as spike counts have; it is part of the model
and so is there in evaluation too. A source says which normal numbers a forward pass gets: fresh ones, or frozen ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from biorobust.core.errors import BiorobustError

MODES = ("neuronal", "gaussian", "none")
FLOOR = 1e-4  # added to the variance, so that the square root has a gradient at 0


@dataclass
class Live:
    """Fresh numbers in every forward pass, from `generator` (on the responses' device) or torch's global one."""

    generator: torch.Generator | None = None

    def draw(self, like: Tensor) -> Tensor:
        return torch.empty_like(like).normal_(generator=self.generator)


@dataclass
class Frozen:
    """The same numbers in every forward pass: one draw for all images (`seeds` an integer), or one for each image.

    Numbers are made on the CPU, one generator per seed, and depend on nothing but the seed and the response's shape.
    """

    seeds: int | tuple[int, ...]
    _kept: Tensor | None = field(default=None, repr=False)

    def draw(self, like: Tensor) -> Tensor:
        shape = like.shape[1:]
        if isinstance(self.seeds, tuple) and len(self.seeds) != len(like):
            raise BiorobustError(f"noise has {len(self.seeds)} seeds, the minibatch {len(like)} images: must be equal")
        if self._kept is None or self._kept.shape[1:] != shape:
            seeds = self.seeds if isinstance(self.seeds, tuple) else (self.seeds,)
            draws = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
            self._kept = torch.stack(draws)
        self._kept = self._kept.to(like)
        return self._kept.expand_as(like)


Source = Live | Frozen


def source(
    *, seed: int | None = None, seeds: Sequence[int] | None = None, generator: torch.Generator | None = None
) -> Source:
    """The source that the arguments name, `Live()` for none. Raises BiorobustError for more than one."""
    if sum(given is not None for given in (seed, seeds, generator)) > 1:
        raise BiorobustError("noise takes one of seed, seeds and generator")
    if seed is not None:
        return Frozen(int(seed))
    return Frozen(tuple(int(one) for one in seeds)) if seeds is not None else Live(generator)


def apply(responses: Tensor, *, mode: str, scale: float, level: float, source: Source) -> Tensor:
    """Noisy responses of the same shape, never negative, to `responses` that are not either and are left as they are.

    none: x. gaussian: relu(x + scale n), n ~ N(0, 1). neuronal: t = scale x + level is a spike count with mean and
    variance t (+ FLOOR); the result is relu((t + n sqrt(t + FLOOR) - level) / scale) (Dapello, Marques et al. 2020).
    """
    if mode == "none":
        return responses
    normal = source.draw(responses)
    if mode == "gaussian":
        return torch.add(responses, normal, alpha=scale).relu_()
    deviation = torch.add(responses.new_tensor(level + FLOOR), responses, alpha=scale).sqrt_()
    # (t + n s - level) / scale = x + n s / scale; without gradients the place of s can be used again.
    place = None if responses.requires_grad else deviation
    return torch.addcmul(responses, normal, deviation, value=1 / scale, out=place).relu_()

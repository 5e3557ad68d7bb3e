"""What a network is shown beside clean images: its own perturbation, those of others, and controls, by name.

self: the clean images again. own: DeepFool's perturbation of this network. from-<network>: that of another one. signs:
random signs of the own perturbation's size. other: another clean image. A name that ends in -eps has the perturbation
stretched or shrunk to the common size.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from biorobust.vonenet.model import perturb
from biorobust.vonenet.model.layers import Images

SELF, OWN, SIGNS, OTHER = "self", "own", "signs", "other"
FROM, COMMON = "from-", "-eps"


def sets(
    clean: Tensor, own: Tensor, others: Mapping[str, Tensor], *, common_eps: float, seed: int
) -> dict[str, Images]:
    """Everything a network is shown. clean, own: (N, 3, H, W); others: network -> its perturbed images, of the same N.

    All but what is given is made minibatch by minibatch, so that many sets of large images fit into memory.
    """

    def signs(rows: range) -> Tensor:
        # One generator per image: what an image gets does not depend on its minibatch.
        parts = [perturb.signs_like(clean[row : row + 1], own[row : row + 1], seed=seed + row) for row in rows]
        return torch.cat(parts)

    def other(rows: range) -> Tensor:
        return torch.stack([clean[(row + 1) % len(clean)] for row in rows])

    given: dict[str, Images] = (
        {OWN: own} | {f"{FROM}{name}": images for name, images in others.items()} | {SIGNS: signs}
    )
    common = {f"{name}{COMMON}": _at_size(clean, images, common_eps) for name, images in given.items()}
    return {SELF: clean, **given, **common, OTHER: other}


def _at_size(clean: Tensor, images: Images, eps: float) -> Images:
    def made(rows: range) -> Tensor:
        chosen = images[rows.start : rows.stop] if isinstance(images, Tensor) else images(rows)
        return perturb.at_size(clean[rows.start : rows.stop], chosen, eps)

    return made


def few(names: Mapping[str, Images]) -> dict[str, Images]:
    """Those shown under live noise, where every pass costs: without the common size and without other images."""
    return {name: images for name, images in names.items() if not name.endswith(COMMON) and name != OTHER}

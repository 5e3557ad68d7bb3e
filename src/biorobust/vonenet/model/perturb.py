"""Perturbed images of one network: DeepFool's in L-infinity, through Foolbox, and what becomes of them at a given size.

Every image is moved away from the class the network gives it when it is clean. For the images it gets right this is the
report's attack; the others are perturbed in the same way, so that every network sees every image moved when they are
handed on to it, and take no part where only right answers count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from biorobust.attacks import deepfool, noise
from biorobust.attacks.crafting import linf
from biorobust.core.progress import progress
from biorobust.vonenet.model import conditions, models
from biorobust.vonenet.model.params import Perturbations

QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Crafted:
    """DeepFool's images (N, 3, H, W) in [0, 1] under one noise condition, and whether they fooled the network in it."""

    images: Tensor
    success: Tensor  # (N,) bool
    nonfinite_gradient: Tensor  # (N,) bool, as of an attack record


def deepfooled(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    plan: Perturbations,
    noise: str,
    seed: int,
    batch_size: int = 32,
    label: str = "DeepFool",
) -> Crafted:
    """Minimal perturbations away from `labels`, (N,) the network's own answers.

    noise: frozen (one draw per image for the whole attack, so that gradients and answers belong to one function), live
    (fresh noise in every pass, as a program that knows nothing of it would have, and images one by one), or none. The
    network is in eval mode. label: names the work on stderr while it lasts.
    """
    made = []
    chosen = conditions.conditions(model, seed=seed, repeats=1).get(noise)
    generator = torch.Generator(images.device).manual_seed(seed)
    # DeepFool goes on with a minibatch until one pass fools all of it: under live noise that is luck, and never comes.
    together = 1 if noise == conditions.LIVE else batch_size
    starts = range(0, len(images), together)
    for first in progress(starts, label=label, unit="images" if together == 1 else "minibatches"):
        rows = range(first, min(first + together, len(images)))
        if chosen is None:  # a network without noise
            context = models.noise(model, conditions.NONE)
        elif noise == conditions.LIVE:
            context = models.noise(model, generator=generator)
        else:
            context = chosen.noise(0, rows)
        with context:
            found = deepfool.minimal(
                model,
                images[first : rows.stop],
                labels[first : rows.stop],
                steps=plan.steps,
                candidates=plan.candidates,
                overshoot=plan.overshoot,
            )
        made.append((found.images, found.success, found.nonfinite_gradient))
    return Crafted(*map(torch.cat, zip(*made, strict=True)))


def at_size(images: Tensor, perturbed: Tensor, eps: float) -> Tensor:
    """The perturbation stretched or shrunk to L-infinity size `eps`, then cut off at [0, 1]; unmoved images stay."""
    change = perturbed - images
    size = linf(perturbed, images).clamp(min=torch.finfo(images.dtype).tiny)
    return (images + eps * change / size.reshape(-1, *[1] * (images.ndim - 1))).clamp(0, 1)


def signs_like(images: Tensor, perturbed: Tensor, *, seed: int) -> Tensor:
    """The control of equal L-infinity size: random signs as large as each image's perturbation."""
    return noise.signs(images, linf(perturbed, images), torch.Generator().manual_seed(seed))


def quantised(images: Tensor) -> Tensor:
    """Pixels rounded to the 256 values of an 8-bit file."""
    return (images * 255).round() / 255


def described(images: Tensor, crafted: Crafted, answers: Tensor, labels: Tensor, entered: Tensor) -> dict[str, Any]:
    """What a metrics file says of one attack, on the images that entered.

    answers: (draws, N) classes under fresh noise. success: share fooled where it was crafted; fresh_success: mean share
    of fresh draws that are fooled, fresh_majority: of images fooled in more than half of them. size: quantiles of the
    L-infinity distance. unmoved: images whose perturbation is exactly zero; erased: zero after rounding to 8 bits.
    nonfinite_gradient, only where there are any: images with a gradient that is not a number.
    """
    size = linf(crafted.images, images)[entered]
    left = linf(quantised(crafted.images), quantised(images))[entered]
    fooled = (answers != labels)[:, entered].double().mean(dim=0)
    n = int(entered.sum())
    nonfinite = int(crafted.nonfinite_gradient[entered].sum())
    levels = torch.tensor(QUARTILES, dtype=torch.float64, device=images.device)
    return {
        "n": n,
        "success": crafted.success[entered].double().mean().item() if n else None,
        "fresh_draws": len(answers),
        "fresh_success": fooled.mean().item() if n else None,
        "fresh_majority": (fooled > 0.5).double().mean().item() if n else None,
        "size": torch.quantile(size.double(), levels).tolist() if n else None,
        "unmoved": int((size == 0).sum()),
        "erased": int((left == 0).sum()),
        **({"nonfinite_gradient": nonfinite} if nonfinite else {}),
    }

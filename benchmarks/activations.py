"""Deviations of all layers against the forward passes they need, and their memory as images grow in number.

At the size the report used: ResNet50, 224 pixels, 53 convolutions with the normalisation behind each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.memory import STATUS, peak_mb
from benchmarks.timing import Measurement, Skipped, fresh, paired, single

if TYPE_CHECKING:
    from torch import Tensor, nn

    from biorobust.vonenet import Classifier

TIME = "deviations of 53 layers, 4 images x 5 passes, against the passes alone"
MEMORY = "memory of deviations, 48 small images, against 12"
LIMITS = {TIME: 1.5, MEMORY: 1.05}
BATCH_SIZE = 4
N_SETS = 4  # perturbed versions of every clean image
REPEATS = 5


def network(*, width: int, image_size: int) -> Classifier:
    from biorobust.vonenet import resnet50

    return resnet50(width=width, image_size=image_size).eval().requires_grad_(False)


def images(n: int, *, size: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Clean images (n, 3, size, size), and perturbed versions by name."""
    import torch

    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(n, 3, size, size, generator=generator)
    noise = (torch.randn(clean.shape, generator=generator) for _ in range(N_SETS))
    return clean, {f"set {place}": (clean + 0.01 * one).clamp(0, 1) for place, one in enumerate(noise)}


def passes(model: nn.Module, clean: Tensor, perturbed: dict[str, Tensor]) -> None:
    """The forward passes that have to be, in the same minibatches."""
    import torch

    with torch.no_grad():
        for shown in (clean, *perturbed.values()):
            for part in shown.split(BATCH_SIZE):
                model(part)


def read(model: Classifier, clean: Tensor, perturbed: dict[str, Tensor]) -> None:
    from biorobust.vonenet.model import layers

    layers.deviations(model, clean, perturbed, batch_size=BATCH_SIZE)


def peak_of(n: int) -> float:
    """Peak memory in MB of reading n small images, in a process of its own."""
    clean, perturbed = images(n, size=64)
    read(network(width=16, image_size=64), clean, perturbed)
    return peak_mb()


def measure() -> list[Measurement]:
    if not STATUS.exists():
        raise Skipped(f"{STATUS} is missing: peak memory is read from it, on Linux")
    model = network(width=64, image_size=224)
    clean, perturbed = images(BATCH_SIZE, size=224)
    return [
        paired(TIME, lambda: read(model, clean, perturbed), lambda: passes(model, clean, perturbed), repeats=REPEATS),
        single(MEMORY, unit="MB", ours=fresh(peak_of, 48), reference=fresh(peak_of, 12)),
    ]

"""One training step of ResNet18 at 224 pixels on a GPU, with k-WTA for every ReLU, against the same step with ReLU."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.kwta import GAMMA, published
from benchmarks.timing import Measurement, Skipped, paired

if TYPE_CHECKING:
    from torch import Tensor

    from biorobust.kwta.model.networks import Classifier

STEP = "k-WTA, training step of ResNet18 at 224 pixels on a GPU, against ReLU"
LIMITS = {STEP: 1.15}  # the published formulation: 1.76 to 2.03
BATCH, STEPS = 64, 10
REPEATS = 9


def network(gamma: float | None) -> Classifier:
    """The report's ResNet18, with ReLU where gamma is None."""
    from biorobust.kwta.model import networks

    shape = {"network": "resnet18", "width": 64, "image_size": 224, "normalise": False, "logits": 10, "n_classes": 10}
    return networks.build(shape | {"gamma": gamma, "stem": "kwta"})


def step(model: Classifier, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """A function that takes one step of SGD on a minibatch, without waiting for a GPU."""
    import torch
    from torch.nn import functional

    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def run() -> None:
        optimiser.zero_grad(set_to_none=True)
        functional.cross_entropy(model(images), labels).backward()
        optimiser.step()

    return run


def wall_seconds(run: Callable[[], object]) -> float:
    """Time until the GPU has done what the call gave it; processor time says nothing about a GPU."""
    import torch

    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def same_mask(device: str) -> bool:
    """Whether the activation of the first layer's shape is the published one's to the bit."""
    import torch

    from biorobust.kwta import kwta

    x = torch.randn(8, 64, 112, 112, generator=torch.Generator().manual_seed(0)).to(device)
    return torch.equal(kwta(x, GAMMA), published(x, GAMMA))


def measure() -> list[Measurement]:
    import torch

    if not torch.cuda.is_available():
        raise Skipped("needs a CUDA GPU")
    assert same_mask("cuda")
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(BATCH, 3, 32, 32, generator=generator).cuda()
    labels = torch.randint(10, (BATCH,), generator=generator).cuda()
    ours, relu = (step(network(gamma).cuda(), images, labels) for gamma in (GAMMA, None))

    def many(run: Callable[[], None]) -> Callable[[], None]:
        def repeated() -> None:
            for _ in range(STEPS):
                run()

        return repeated

    return [paired(STEP, many(ours), many(relu), repeats=REPEATS, scale=1 / STEPS, clock=wall_seconds)]

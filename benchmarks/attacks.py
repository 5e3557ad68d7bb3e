"""What the attacks of the library cost beside the passes they cannot do without, and DeepFool beside Foolbox's.

A step of APGD cannot cost less than the model's forward and backward pass, a query of Square not less than its forward
pass. DeepFool is taken on images of which most are fooled at once and a few never are, where Foolbox goes on with all.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.timing import Measurement, paired

if TYPE_CHECKING:
    from torch import Tensor, nn

APGD = "a step of APGD, against the model's forward and backward pass"
SQUARE = "a query of Square, against the model's forward pass"
DEEPFOOL = "DeepFool on a mixed minibatch, against stock Foolbox"
LIMITS = {APGD: 1.05, SQUARE: 1.25, DEEPFOOL: 0.5}
N_IMAGES, STEPS, REPEATS = 64, 25, 5
EPS = 0.03
MIXED = {"steps": 20, "candidates": 10, "overshoot": 0.02}


def victim(n: int) -> tuple[nn.Module, Tensor, Tensor]:
    """The small CIFAR-10 network with random weights, n random images, and the labels it gives them."""
    import torch

    from biorobust.networks.fast import FastNet

    torch.manual_seed(0)
    images = torch.rand(n, 3, 32, 32)
    model = FastNet(width=16)
    model.whiten(images[:64])
    model.eval().requires_grad_(False)
    return model, images, model(images).argmax(dim=1)


def stubborn(labels: Tensor) -> nn.Module:
    """A judge that is never fooled by the minibatch with these labels, so that no image leaves."""
    from torch import nn
    from torch.nn import functional

    outputs = functional.one_hot(labels, 10).float()

    class Stubborn(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return outputs

    return Stubborn().eval()


def mixed(model: nn.Module, images: Tensor) -> tuple[nn.Module, Tensor]:
    """A model of which one image in eight can never be fooled, and the labels it gives the images."""
    import torch
    from torch import nn

    dark = torch.arange(len(images)) % 8 == 0
    images[dark, :, 0, 0] = 0.0
    images[~dark, :, 0, 0] = 1.0

    seen, sure = torch.ones_like(images[:1]), 50 * torch.eye(10)[0]
    seen[:, :, 0, 0] = 0  # no gradient leads to the mark

    class Mixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = model(x * seen)
            return logits + (x[:, :1, 0, 0] < 0.5) * sure

    hard = Mixed().eval()
    return hard, hard(images).argmax(dim=1)


def deepfool(model: nn.Module, images: Tensor, labels: Tensor, *, one_pass: bool) -> Tensor:
    """Perturbed images, by the library's DeepFool or, not one_pass, by Foolbox's own passes."""
    import torch

    from biorobust.attacks import deepfool as own
    from biorobust.attacks.crafting import Batch

    batch = Batch(images=images, labels=labels, generator=torch.Generator())
    found = own.craft(model, batch, eps=(EPS,), one_pass=one_pass, **MIXED)  # type: ignore[arg-type]
    assert found.raw is not None
    return found.raw


def measure() -> list[Measurement]:
    import torch
    from torch.nn import functional

    from biorobust.attacks import apgd, losses, square
    from biorobust.attacks.crafting import Batch

    model, images, labels = victim(N_IMAGES)
    judge = stubborn(labels)
    batch = Batch(images=images, labels=labels, generator=torch.Generator(), judge=judge)

    def passes() -> None:
        for _ in range(STEPS + 1):
            x = images.clone().requires_grad_()
            torch.autograd.grad(functional.cross_entropy(model(x), labels, reduction="sum"), x)

    def forwards() -> None:
        with torch.no_grad():
            for _ in range(STEPS + 1):
                model(images)

    ascend = partial(apgd.craft, model, batch, eps=(EPS,), loss=losses.cross_entropies, steps=STEPS)
    asked = Batch(images=images, labels=labels, generator=torch.Generator(), judge=_and(model, judge))
    search = partial(square.craft, model, asked, eps=(EPS,), queries=STEPS + 1)
    few = images[:32].clone()
    hard, own_labels = mixed(model, few)
    ours, stock = (deepfool(hard, few, own_labels, one_pass=one_pass) for one_pass in (True, False))
    torch.testing.assert_close(ours, stock, rtol=0, atol=1e-3)  # minibatches of another size are rounded differently
    return [
        paired(APGD, ascend, passes, repeats=REPEATS),
        paired(SQUARE, search, forwards, repeats=REPEATS),
        paired(
            DEEPFOOL,
            partial(deepfool, hard, few, own_labels, one_pass=True),
            partial(deepfool, hard, few, own_labels, one_pass=False),
            repeats=3,
        ),
    ]


def _and(model: nn.Module, judge: nn.Module) -> nn.Module:
    """The pass of a model, the outputs of a judge."""
    from torch import nn

    class Both(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            model(x)
            outputs: Tensor = judge(x)
            return outputs

    return Both().eval()

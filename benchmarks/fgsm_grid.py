"""FGSM over the study's grid of epsilons: gradients taken, and time against Foolbox as it comes.

The gradient at the clean image is the same for every epsilon. Foolbox takes it again for each; ours once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import synthetic
from benchmarks.timing import Measurement, paired, single

if TYPE_CHECKING:
    from torch import Tensor, nn

EPS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
GRADIENTS = "FGSM grid, gradients per minibatch and loss, against stock Foolbox"
TIME = "FGSM grid, time, against stock Foolbox"
# Both look at every result once. With a backward pass as dear as a forward pass, Foolbox does 3 passes for each
# of the 9 epsilons and ours 1 for each and 2 more: 11 / 27 = 0.41 at best.
LIMITS = {GRADIENTS: 1 / len(EPS), TIME: 0.6}
BATCH_SIZE = 500
REPEATS = 7


def counting(model: nn.Module) -> tuple[nn.Module, list[int]]:
    """The model, and a list that gets the size of every minibatch for which an input gradient is computed."""
    from torch import nn

    taken: list[int] = []

    class Counting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.requires_grad:
                x.register_hook(lambda gradient: taken.append(len(gradient)))
            outputs: Tensor = model(x)
            return outputs

    return Counting().eval(), taken


def stock(model: nn.Module, images: Tensor, labels: Tensor, *, eps: tuple[float, ...]) -> list[Tensor]:
    """Adversarial images (B, C, H, W) per epsilon from Foolbox's own FGSM on the cross-entropy."""
    import foolbox

    attack = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device=images.device)
    _, clipped, _ = attack(wrapped, images, labels, epsilons=list(eps))
    return list(clipped)


def grid(model: nn.Module, images: Tensor, labels: Tensor, *, eps: tuple[float, ...]) -> list[Tensor]:
    """The same from the library."""
    import torch

    from biorobust.attacks import fgsm, losses
    from biorobust.attacks.crafting import Batch

    batch = Batch(images=images, labels=labels, generator=torch.Generator())
    return fgsm.craft(model, batch, loss=losses.cross_entropy, eps=eps).images


def gradients_per_minibatch(model: nn.Module, images: Tensor, labels: Tensor, *, n_minibatches: int) -> Measurement:
    """Input gradients per minibatch and loss: the library's runner with every FGSM, against stock Foolbox."""
    from biorobust import attacks
    from biorobust.attacks import registry

    names = [
        name if attack.view == registry.MODEL else f"{name}@{registry.MODEL}"
        for name, attack in attacks.ATTACKS.items()
        if name.startswith("fgsm")
    ]
    batch_size = -(-len(images) // n_minibatches)
    watched, taken = counting(model)
    attacks.run(watched, images, labels, names, eps=EPS, seed=0, batch_size=batch_size)
    ours = len(taken) / (n_minibatches * len(names))
    watched, taken = counting(model)
    for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        stock(watched, x, y, eps=EPS)
    return single(GRADIENTS, unit="gradients", ours=ours, reference=len(taken) / n_minibatches)


def measure() -> list[Measurement]:
    from torch.testing import assert_close

    from biorobust.hebbian import HebbianClassifier

    model = HebbianClassifier(
        synthetic.units(synthetic.N_HIDDEN, seed=1), synthetic.N_CLASSES, n=4.5, beta=1.0, inputs="unit"
    )
    model.eval().requires_grad_(False)
    images = (synthetic.images(BATCH_SIZE, seed=0).float() / 255).reshape(-1, 1, 28, 28)
    labels = synthetic.labels(BATCH_SIZE, seed=0)

    def ours() -> list[Tensor]:
        return grid(model, images, labels, eps=EPS)

    def foolbox() -> list[Tensor]:
        return stock(model, images, labels, eps=EPS)

    assert_close(ours(), foolbox())
    return [
        gradients_per_minibatch(model, images, labels, n_minibatches=2),
        paired(TIME, ours, foolbox, repeats=REPEATS),
    ]

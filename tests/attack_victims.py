"""Small networks to attack, and images that they classify right."""

import dataclasses
import functools

import torch
from sklearn.datasets import load_digits
from torch import nn

from biorobust import attacks


def linear(*, n_classes=4, size=5, dtype=torch.float32):
    """A linear classifier of (N, 1, size, size) images, its images and the labels it gives them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(size * size, n_classes)).to(dtype)
    with torch.no_grad():
        model[1].bias.copy_(-model[1].weight.sum(dim=1) / 2)  # grey is where the classes meet
    images = torch.rand(40, 1, size, size, dtype=dtype)
    return frozen(model), images, model(images).argmax(dim=1)


def conv(*, n=24, dtype=torch.float32):
    """A small convolutional network of (N, 3, 8, 8) images, its images and the labels it gives them."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten()
    ).append(nn.Linear(32, 5))
    model = model.to(dtype)
    images = torch.rand(n, 3, 8, 8, dtype=dtype)
    return frozen(model), images, model(images).argmax(dim=1)


def digits(*, seed=0, n=400):
    """A small network trained for seconds on scikit-learn's digits, `n` test images (N, 1, 8, 8) and their labels."""
    model, images, labels = trained_on_digits(seed)
    return model, images[:n], labels[:n]


@functools.cache
def trained_on_digits(seed):
    """That network, and all 400 test images."""
    raw = load_digits()
    order = torch.randperm(len(raw.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(raw.images, dtype=torch.float32)[order, None] / 16
    labels = torch.tensor(raw.target)[order]
    torch.manual_seed(seed)
    layers = nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10))
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(12):
        for rows in torch.randperm(len(images) - 400).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimiser.step()
    return frozen(model), images[-400:], labels[-400:]


def shorter(attack, **most):
    """An attack with no more steps, queries and so on than these."""
    given = {key: min(value, most[key]) for key, value in attack.craft.keywords.items() if key in most}
    return dataclasses.replace(attack, craft=functools.partial(attack.craft, **given))


def lighten(monkeypatch):
    """Fewer steps, queries and points for every attack that looks at its iterates: a test of no strength."""
    for name, attack in attacks.ATTACKS.items():
        if attack.watched and isinstance(attack.craft, functools.partial):
            light = shorter(attack, steps=15, queries=120, n=3, n_targets=2)
            monkeypatch.setitem(attacks.ATTACKS, name, light)


def frozen(model):
    return model.eval().requires_grad_(False)


def points(images, labels, model, *, eps):
    """Points that another attack found, (n_eps, N, C, H, W): one step of FGSM on the margin."""
    kept = {}
    attacks.run(model, images, labels, ["fgsm-margin"], eps=eps, seed=0, keep=kept)
    return kept["fgsm-margin"]


def assert_many_passes_are_those_of_copies(model, image, *, n=4, rtol=1e-4):
    """One image expanded to a minibatch, (n, C, H, W) without copies, gets what as many copies get; returns logits."""

    def passes(points):
        torch.manual_seed(1)
        points = points.detach().requires_grad_()
        logits = model(points)
        return logits, torch.autograd.grad(logits.square().sum(), points)[0].mean(dim=0)

    expanded, copied = passes(image.expand(n, *image.shape[1:])), passes(image.repeat(n, 1, 1, 1))
    for one, other in zip(expanded, copied, strict=True):
        torch.testing.assert_close(one, other, rtol=rtol, atol=1e-6 * max(1.0, float(other.detach().abs().max())))
    return expanded[0]


class Of(nn.Module):
    """A model given as a function of images, such as one of another model's outputs."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def of(function):
    return frozen(Of(function))


def noisy(model, level):
    """A model that adds Gaussian noise of standard deviation `level` to its logits, anew in every forward pass."""
    return of(lambda x: (logits := model(x)) + level * torch.randn_like(logits))

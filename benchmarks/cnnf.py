"""A training step of CNN-F against a straightforward implementation, and the cost of each further cycle.

The straightforward network keeps transposed modules beside the forward ones, masks as floating point numbers, maps at
full size, and pools every map twice (the minimum as the maximum of -x). It stands below as the reference.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.timing import Measurement, paired, processor_seconds
from biorobust.cnnf import TwoBlock
from biorobust.cnnf.model import objective

STEP = "CNN-F training step, T=1, against a straightforward one"
LINEAR = "CNN-F, second and third cycle against the first"
LIMITS = {STEP: 0.8, LINEAR: 1.3}
BATCH, WIDTH, CLASSES, RESIDUAL = 256, 8, 26, 0.3
WEIGHTS = {"first": 1.0, "cycles": 1.0, "feature": 0.1, "block1": 0.1, "block2": 0.1, "clean": 0.1}


class _Block(nn.Module):
    """Convolution, InsNorm, bias, AdaReLU, AdaPool; what feedback needs is kept in the module."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.transposed = nn.ConvTranspose2d(n_out, n_in, 3, padding=1, bias=False)
        self.transposed.weight = self.conv.weight
        self.bias = nn.Parameter(torch.zeros(1, n_out, 1, 1))
        self.reset()

    def reset(self) -> None:
        self.relu_hidden: Tensor | None = None
        self.pool_hidden: Tensor | None = None
        self.positive: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        x = _normalise(self.conv(x)) + self.bias
        if self.relu_hidden is None or self.pool_hidden is None:
            self.mask = (x > 0).float()
            self.output = x * self.mask
            y, self.maxima = functional.max_pool2d(self.output, 2, return_indices=True)
            return y
        x = x + RESIDUAL * (self.relu_hidden - x)
        self.mask = (x * self.relu_hidden > 0).float()
        x = x * self.mask
        self.positive, self.negative = (self.pool_hidden > 0).float(), (self.pool_hidden < 0).float()
        largest, self.maxima = functional.max_pool2d(x, 2, return_indices=True)
        smallest, self.minima = functional.max_pool2d(-x, 2, return_indices=True)
        return largest * self.positive - smallest * self.negative

    def unpool(self, y: Tensor) -> Tensor:
        """Feedback as far as the AdaReLU's output."""
        y = _normalise(y)
        if self.positive is None:
            x = functional.max_unpool2d(y, self.maxima, [2, 2])
        else:
            x = functional.max_unpool2d(y * self.positive, self.maxima, [2, 2])
            x = x + functional.max_unpool2d(y * self.negative, self.minima, [2, 2])
        self.pool_hidden, self.relu_hidden = y, x
        return x * self.mask

    def down(self, x: Tensor) -> Tensor:
        return self.transposed(x - self.bias)


class Straightforward(nn.Module):
    """The two-block network and its loss, written as the formulas read."""

    def __init__(self, cycles: int) -> None:
        super().__init__()
        self.cycles = cycles
        self.block1, self.block2 = _Block(1, WIDTH), _Block(WIDTH, 2 * WIDTH)
        self.linear = nn.Linear(2 * WIDTH * 49, CLASSES, bias=False)
        self.bias = nn.Parameter(torch.zeros(CLASSES))

    def classify(self, h: Tensor) -> Tensor:
        return self.linear(self.block2(h).flatten(1)) + self.bias

    def loss(self, clean: Tensor, noisy: Tensor, labels: Tensor) -> Tensor:
        """Summed over the minibatch, with WEIGHTS."""
        n = len(labels)
        self.block1.reset()
        self.block2.reset()
        h = self.block1(torch.cat([clean, noisy]) * 2 - 1)
        logits = self.classify(h)
        targets = h[:n], self.block1.output[:n], self.block2.output[:n]
        entropy, squares = _entropies(logits, labels), torch.zeros(())
        for _ in range(self.cycles):
            top = ((logits - self.bias) @ self.linear.weight).view(-1, 2 * WIDTH, 7, 7)
            second = self.block2.unpool(top)
            back = self.block2.down(second)
            first = self.block1.unpool(back)
            h = h + RESIDUAL * (back - h)
            logits = self.classify(h)
            entropy = entropy + _entropies(logits, labels)
            for made, target in zip((back, first, second), targets, strict=True):
                squares = squares + n * functional.mse_loss(made[n:], target)
        loss = entropy / (2 * (self.cycles + 1))
        return loss + WEIGHTS["feature"] * squares / (3 * self.cycles) if self.cycles else loss


def _normalise(x: Tensor) -> Tensor:
    return x / torch.sqrt((x**2).mean(dim=(2, 3), keepdim=True) + 1e-8)


def _entropies(logits: Tensor, labels: Tensor) -> Tensor:
    clean, noisy = logits.chunk(2)
    sums = [functional.cross_entropy(half, labels, reduction="sum") for half in (clean, noisy)]
    return WEIGHTS["clean"] * sums[0] + sums[1]


def ours(cycles: int, *, like: Straightforward) -> TwoBlock:
    """The library's network with the weights of the straightforward one."""
    model = TwoBlock(CLASSES, cycles=cycles, residual=RESIDUAL, width=WIDTH).to(like.bias.dtype)
    state = {
        "blocks.0.conv.weight": like.block1.conv.weight,
        "blocks.0.bias.bias": like.block1.bias.flatten(),
        "blocks.1.conv.weight": like.block2.conv.weight,
        "blocks.1.bias.bias": like.block2.bias.flatten(),
        "blocks.2.linear.weight": like.linear.weight,
        "blocks.2.bias.bias": like.bias,
    }
    model.load_state_dict(state)
    return model


def our_loss(model: TwoBlock, clean: Tensor, noisy: Tensor, labels: Tensor) -> Tensor:
    """The library's objective, summed over the minibatch."""
    parts, _ = objective.terms(model, clean, noisy, labels, weights=WEIGHTS, cycle_clean=True, detach=False)
    return torch.stack(list(parts.values())).sum()


def _step(model: nn.Module, loss: Callable[[], Tensor]) -> None:
    model.zero_grad(set_to_none=True)
    (loss() / BATCH).backward()


def measure() -> list[Measurement]:
    torch.manual_seed(0)
    clean, noisy = torch.rand(2, BATCH, 1, 28, 28)
    labels = torch.arange(BATCH) % CLASSES
    reference = Straightforward(1)
    models: dict[int, Any] = {cycles: ours(cycles, like=reference) for cycles in (0, 1, 3)}
    steps = {
        cycles: (lambda model=model: _step(model, lambda: our_loss(model, clean, noisy, labels)))
        for cycles, model in models.items()
    }
    published = paired(
        STEP, steps[1], lambda: _step(reference, lambda: reference.loss(clean, noisy, labels)), repeats=15
    )
    for step in steps.values():
        step()
    times = [{cycles: processor_seconds(step) for cycles, step in steps.items()} for _ in range(15)]
    later, first = [(t[3] - t[1]) / 2 for t in times], [t[1] - t[0] for t in times]
    linear = Measurement(
        what=LINEAR,
        unit="s",
        ours=statistics.median(later),
        reference=statistics.median(first),
        ours_least=min(later),
        reference_least=min(first),
        ratio=statistics.median(later) / statistics.median(first),
    )
    return [published, linear]

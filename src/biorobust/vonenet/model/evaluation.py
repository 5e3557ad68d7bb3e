"""What a classifier predicts under noise: its own, none, frozen, or live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from biorobust.attacks.scoring import NO_CLASS, classes
from biorobust.core import results, training
from biorobust.vonenet.model import models

NONE, FROZEN, LIVE = "none", "frozen", "live"
# (number of the pass, rows of the images) -> what the network's noise is during that pass.
Noise = Callable[[int, range], AbstractContextManager[None]]
STEP = 1_000_003  # between the seeds of two passes: more than there are images


def own_noise(model: nn.Module) -> str:
    """The noise of the network's V1 stage; "none" without such a stage."""
    block = models.v1(model)
    return block.noise_mode if block else "none"


def predict(model: nn.Module, images: Tensor, *, batch_size: int, mode: str | None = None) -> Tensor:
    """(N,) predicted classes for images (N, 3, H, W), uint8 or in [0, 1]; `mode`: noise, the network's own by default,
    from a generator of its own, so that nothing depends on how much training has used up.
    """
    mode = mode or own_noise(model)
    generator = None if mode == "none" else torch.Generator(images.device).manual_seed(0)
    with models.noise(model, mode, generator=generator):
        return training.predict(model, images, batch_size=batch_size)


def seed_entry(
    seed: int, model: nn.Module, images: Tensor, labels: Tensor, *, batch_size: int, diverged: bool = False
) -> dict[str, Any]:
    """`results.seed_entry` under the network's own noise, and `under_noise`: accuracy without and with neuronal noise,
    None for a network without a V1 stage.
    """
    own = predict(model, images, batch_size=batch_size)
    entry, under = results.seed_entry(seed, own, labels, diverged=diverged), None
    if models.v1(model) is not None:
        made = {own_noise(model): own}
        for mode in {"none", "neuronal"} - set(made):
            made[mode] = predict(model, images, batch_size=batch_size, mode=mode)
        under = {mode: results.proportion(made[mode], labels) for mode in ("none", "neuronal")}
    return entry | {"under_noise": under}


def noise_conditions(model: nn.Module, *, seed: int) -> Mapping[str, Noise]:
    """The noise conditions a network can be measured in: without noise alone for a deterministic one.

    frozen: the same draw for an image whichever version of it is shown. live: a draw of its own for every pass. One
    seed per image and pass: none depends on its minibatch.
    """

    def drawn(step: int) -> Noise:
        return lambda number, rows: models.noise(model, seeds=[seed + step * (number + 1) + row for row in rows])

    noisy = {} if own_noise(model) == NONE else {FROZEN: drawn(0), LIVE: drawn(STEP)}
    return {NONE: lambda number, rows: models.noise(model, "none")} | noisy


@torch.no_grad()
def predict_samples(model: nn.Module, images: Tensor, *, draws: int, seed: int, batch_size: int = 64) -> Tensor:
    """Classes (draws, N) for images (N, C, H, W) in passes with fresh noise; one row for a network without noise."""
    conditions = noise_conditions(model, seed=seed)
    noise = conditions.get(LIVE, conditions[NONE])
    samples = []
    for number in range(draws if LIVE in conditions else 1):
        for rows in minibatches(len(images), batch_size):
            with noise(number, rows):
                samples.append(classes(model(images[rows.start : rows.stop])))
    return torch.cat(samples).reshape(-1, len(images))


def minibatches(n: int, size: int) -> list[range]:
    """The rows of n images, `size` at a time."""
    return [range(first, min(first + size, n)) for first in range(0, n, size)]


def majority(samples: Tensor) -> Tensor:
    """The class predicted most often, (N,), by the rows of (draws, N); of two predicted equally often the smaller."""
    return functional.one_hot(samples - NO_CLASS).sum(dim=0).argmax(dim=1) + NO_CLASS

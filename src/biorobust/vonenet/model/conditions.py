"""What the noise of a stochastic network does while it is measured: none, frozen, live, or averaged over repeats.

Noise is drawn from one seed per image and pass, so what an image gets does not depend on its minibatch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from biorobust.attacks.scoring import NO_CLASS, classes
from biorobust.vonenet.model import models

NONE, FROZEN, LIVE, MEAN = "none", "frozen", "live", "mean"
# (number of the pass, rows of the images) -> what the network's noise is during that pass.
Noise = Callable[[int, range], AbstractContextManager[None]]
STEP = 1_000_003  # between the seeds of two passes: more than there are images


@dataclass(frozen=True)
class Condition:
    """Noise during each pass, and how many passes are averaged."""

    noise: Noise
    repeats: int = 1


def stochastic(model: nn.Module) -> bool:
    """Whether two passes over one image may differ."""
    block = models.v1(model)
    return block is not None and block.noise_mode != "none"


def conditions(model: nn.Module, *, seed: int, repeats: int) -> Mapping[str, Condition]:
    """The conditions a network can be measured in.

    none: without noise, the only one of a deterministic network. frozen: the same draw for an image whichever version
    of it is shown. live: a draw of its own for every pass. mean: activations averaged over `repeats` live passes.
    """

    def none(number: int, rows: range) -> AbstractContextManager[None]:
        return models.noise(model, "none")

    def frozen(number: int, rows: range) -> AbstractContextManager[None]:
        return models.noise(model, seeds=[seed + row for row in rows])

    def live(number: int, rows: range) -> AbstractContextManager[None]:
        return models.noise(model, seeds=[seed + STEP * (number + 1) + row for row in rows])

    if not stochastic(model):
        return {NONE: Condition(none)}
    return {NONE: Condition(none), FROZEN: Condition(frozen), LIVE: Condition(live), MEAN: Condition(live, repeats)}


@torch.no_grad()
def said(model: nn.Module, images: Tensor, *, draws: int, seed: int, batch_size: int = 64) -> Tensor:
    """Classes (draws, N) the network gives images (N, C, H, W) in passes with fresh noise; one row without noise."""
    draws = draws if stochastic(model) else 1
    live = conditions(model, seed=seed, repeats=1).get(LIVE, Condition(lambda number, rows: models.noise(model, NONE)))
    answers = []
    for number in range(draws):
        parts = []
        for first in range(0, len(images), batch_size):
            rows = range(first, min(first + batch_size, len(images)))
            with live.noise(number, rows):
                parts.append(classes(model(images[first : rows.stop])))
        answers.append(torch.cat(parts))
    return torch.stack(answers)


def majority(answers: Tensor) -> Tensor:
    """The class given most often, (N,), by the rows of (draws, N); the smaller of two that are given equally often."""
    votes = torch.zeros(answers.shape[1], int(answers.max()) + 2, device=answers.device)
    votes.scatter_add_(1, (answers - NO_CLASS).T, torch.ones_like(votes[:, :1]).expand(-1, len(answers)))
    return votes.argmax(dim=1) + NO_CLASS

"""The stage that trains a family of the comparison."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from biorobust.core import experiment
from biorobust.core.tensors import Tensors
from biorobust.core.training import Trained, as_float
from biorobust.question.model import networks
from biorobust.question.model import training as trainings
from biorobust.question.model.left_out import STUDY
from biorobust.question.model.rows import Network

if TYPE_CHECKING:
    from biorobust.params import Params


def train(network: Network, settings: Params) -> None:
    data = experiment.load(network.dataset, n_train=network.size.n_train)
    built = trainings.describe(network, data, settings)
    key = network.settings | built.config | built.recipe
    code = (sys.modules[__name__], trainings, networks)

    def train_seed(seed: int) -> Trained:
        state = experiment.state_path(network.name, key, seed=seed, dataset=network.dataset, code=code)
        model, config, fitted = trainings.fit(network, built, data, settings=settings, seed=seed, state=state)
        return experiment.tested(model, config, fitted, data, seed=seed)

    experiment.train_seeds(
        network.name,
        train_seed,
        seeds=settings.seeds(network.size.seeds),
        architecture=built.architecture,
        study=STUDY,
        scale=settings.scale,
        dataset=network.dataset,
        settings=network.settings | built.recipe,
        about=lambda model: experiment.sized(model) | cost(model, data, built.recipe, images=network.row.images),
    )


def cost(model: nn.Module, data: Tensors, recipe: Mapping[str, Any], *, images: str) -> dict[str, Any]:
    """inference_mflop: millions of floating-point operations that one image takes, an addition and a product each one.
    training_passes: forward and backward passes that the training made of each training image."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(as_float(data.test_images[:1]))
    passes = recipe["epochs"] * (1 + recipe.get("steps", 0)) * (2 if images == "both" else 1)
    return {"inference_mflop": round(counter.get_total_flops() / 1e6, 3), "training_passes": passes}

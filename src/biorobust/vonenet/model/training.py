"""Training the networks with and without a V1 stage on CIFAR-10; untrained ones are only calibrated."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from biorobust.core import augment, experiment, runs, training
from biorobust.networks import resnet
from biorobust.vonenet.model import evaluation, models
from biorobust.vonenet.model.params import Run, Training, TrainingSize

DATASET = "cifar10"
N_MONITORED = 2000  # test images whose accuracy is noted after every epoch


def train(
    name: str,
    *,
    run: Run,
    config: dict[str, Any],
    recipe: Training,
    size: TrainingSize,
    scale: str,
    seeds: Sequence[int],
) -> None:
    """Train one network per seed; write checkpoints, metrics and curves. config: of `models.build`, without classes."""
    data = experiment.load(DATASET, n_train=size.n_train)
    tested = data.evaluation[: size.n_test]
    monitored = tested[:N_MONITORED]
    config = config | {"n_classes": data.n_classes}
    schedule = training.Recipe(
        epochs=data.epochs(size.epochs, n_train=size.n_train) if run.trained else 0,
        batch_size=data.batch_size(recipe.batch_size),
        learning_rate=recipe.learning_rate,
        optimiser="sgd",
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        schedule=training.warmed_up(training.SCHEDULES[recipe.schedule], recipe.warmup),
    )
    settings = recipe.model_dump() | config
    settings |= {"method": run.method, "depth": run.depth, "trained": run.trained, "noise": run.noise}
    settings |= {"filters": run.filters, "batch_size": schedule.batch_size, "epochs": schedule.epochs}
    settings |= {"n_train": len(data.train_images)}

    def objective(network: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            logits = network(x).float()
        return functional.cross_entropy(logits, y, reduction="sum"), logits

    def prepare(images: Tensor) -> Tensor:
        return training.as_float(augment.crop_and_flip(images, padding=recipe.crop_padding))

    def measure(network: nn.Module) -> dict[str, float]:
        classes = evaluation.predict(network, data.test_images[monitored], batch_size=recipe.batch_size)
        return {"test_accuracy": (classes == data.test_labels[monitored]).double().mean().item()}

    def train_seed(seed: int) -> training.Trained:
        torch.manual_seed(seed)
        model = runs.new("vonenet", config).to(tested.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if run.trained and recipe.zero_init:
            resnet.zero_residuals(model)
        fitted = training.fit(
            model,
            data.train_images,
            data.train_labels,
            recipe=schedule,
            objective=objective,
            seed=seed,
            prepare=prepare,
            measure=measure,
            state=experiment.state_path(name, settings, seed=seed, dataset=DATASET, code=(sys.modules[__name__],)),
            label=f"{name}, seed {seed}",
        )
        if not run.trained:
            models.calibrate(model, data.train_images[:N_MONITORED], batch_size=schedule.batch_size)
        entry = evaluation.seed_entry(
            seed,
            model,
            data.test_images[tested],
            data.test_labels[tested],
            batch_size=recipe.batch_size,
            diverged=fitted.diverged,
        )
        curve = fitted.history or [{"epoch": 0} | measure(model)]
        return training.Trained(model=model, config=config, entry=entry, curve=curve)

    experiment.train_seeds(
        name,
        train_seed,
        seeds=seeds,
        architecture="vonenet",
        study="vonenet",
        scale=scale,
        dataset=DATASET,
        settings=settings,
    )

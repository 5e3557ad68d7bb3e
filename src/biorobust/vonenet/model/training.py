"""Training the networks with and without a V1 stage on CIFAR-10; untrained ones are only calibrated."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from biorobust.core import augment, experiment, runs, training
from biorobust.networks import resnet
from biorobust.vonenet.model import evaluation, models
from biorobust.vonenet.model.params import ANALOGUE, GROUPS, PixelStem, Run, Training, TrainingSize, V1Stage

if TYPE_CHECKING:
    from biorobust.params import Params

N_MONITORED = 2000  # test images whose accuracy is noted after every epoch, and training images to calibrate on


def train(name: str, settings: Params) -> None:
    run, size = settings.run("vonenet_runs", name, Run), settings.size("vonenet_training", TrainingSize)
    recipe, dataset = settings.block(size.recipe, Training), GROUPS[ANALOGUE].dataset
    data = experiment.load(dataset, n_train=size.n_train)
    tested = data.evaluation[: size.n_test]
    images, labels = data.test_images[tested], data.test_labels[tested]
    config: dict[str, Any] = {"width": size.width, "image_size": recipe.image_size}
    if run.method == "vonenet":
        v1 = settings.block("vonenet", V1Stage).keywords(image_size=recipe.image_size)
        config |= {"network": f"voneresnet{run.depth}", **v1, "filters": run.filters, "noise": run.noise}
    else:
        config |= {"network": f"resnet{run.depth}", **settings.block("resnet", PixelStem).model_dump()}
    config |= {"n_classes": data.n_classes}
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
    logged = recipe.model_dump() | config
    logged |= {key: getattr(run, key) for key in ("method", "depth", "trained", "noise", "filters")}
    logged |= {"batch_size": schedule.batch_size, "epochs": schedule.epochs, "n_train": len(data.train_images)}
    predict = partial(evaluation.predict, batch_size=recipe.batch_size)
    measure = training.watched(images[:N_MONITORED], labels[:N_MONITORED], predict)

    def train_seed(seed: int) -> training.Trained:
        torch.manual_seed(seed)
        model = runs.new("vonenet", config).to(labels.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if run.trained and recipe.zero_init:
            resnet.zero_residuals(model)
        fitted = training.fit(
            model,
            data.train_images,
            data.train_labels,
            recipe=schedule,
            objective=training.cross_entropy(bfloat16=recipe.precision == "bfloat16"),
            seed=seed,
            prepare=lambda x: training.as_float(augment.crop_and_flip(x, padding=recipe.crop_padding)),
            measure=measure,
            state=experiment.state_path(name, logged, seed=seed, dataset=dataset, code=(sys.modules[__name__],)),
            label=f"{name}, seed {seed}",
        )
        if not run.trained:
            models.calibrate(model, data.train_images[:N_MONITORED], batch_size=schedule.batch_size)
        entry = evaluation.seed_entry(
            seed, model, images, labels, batch_size=recipe.batch_size, diverged=fitted.diverged
        )
        curve = fitted.history or [{"epoch": 0} | measure(model)]
        return training.Trained(model=model, config=config, entry=entry, curve=curve)

    experiment.train_seeds(
        name,
        train_seed,
        seeds=settings.seeds(size.seeds),
        architecture="vonenet",
        study="vonenet",
        scale=settings.scale,
        dataset=dataset,
        settings=logged,
    )

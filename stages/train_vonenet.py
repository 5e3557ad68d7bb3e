"""Train a ResNet with or without a V1 stage on CIFAR-10: `python -m stages.train_vonenet voneresnet50`."""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import asdict
from typing import Any

from biorobust import params
from biorobust.core import work
from biorobust.core.devices import pick
from biorobust.vonenet.model.params import PixelStem, Run, Training, TrainingSize, V1Stage
from stages.common import run_info, stage_main

DATASET = "cifar10"
N_MONITORED = 2000  # test images whose accuracy is noted after every epoch
# A network below this was not trained long enough to be compared. It was 0.7 until the first network with noise had
# ended just below that, and was lowered before anything but accuracies had been seen.


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="an entry of vonenet_runs in params.yaml")
    name = parser.parse_args(argv).run
    settings = params.load()
    run = settings.run("vonenet_runs", name, Run)
    size = settings.size("vonenet_training", TrainingSize)
    recipe = settings.block(size.recipe, Training)
    config: dict[str, Any] = {"width": size.width, "image_size": recipe.image_size}
    if run.method == "vonenet":
        v1 = settings.block("vonenet", V1Stage).keywords(image_size=recipe.image_size)
        config |= {"network": f"voneresnet{run.depth}", **v1, "filters": run.filters, "noise": run.noise}
    else:
        config |= {"network": f"resnet{run.depth}", **asdict(settings.block("resnet", PixelStem))}
    with run_info(f"train_vonenet@{name}"):
        train(name, settings=settings, run=run, config=config, recipe=recipe, size=size)


def train(
    name: str, *, settings: params.Params, run: Run, config: dict[str, Any], recipe: Training, size: TrainingSize
) -> None:
    """Train one network per seed (or only calibrate an untrained one); write checkpoints, metrics and curves."""
    import torch
    from torch.nn import functional

    from biorobust import datasets
    from biorobust.core import augment, results, runs, training
    from biorobust.core.tensors import as_tensors
    from biorobust.networks import resnet
    from biorobust.vonenet.model import evaluation, models

    device = pick()
    dataset = datasets.load(f"data/datasets/{DATASET}.npz")
    data = as_tensors(dataset, n_train=size.n_train, device=device)
    tested = torch.from_numpy(dataset.evaluation[: size.n_test].copy()).to(device)
    monitored = tested[:N_MONITORED]
    config |= {"n_classes": data.n_classes}
    batch_size = data.batch_size(recipe.batch_size)
    schedule = training.Recipe(
        epochs=data.epochs(size.epochs, n_train=size.n_train) if run.trained else 0,
        batch_size=batch_size,
        learning_rate=recipe.learning_rate,
        optimiser="sgd",
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        schedule=training.warmed_up(training.SCHEDULES[recipe.schedule], recipe.warmup),
    )
    shown = asdict(recipe) | config
    shown |= {"method": run.method, "depth": run.depth, "trained": run.trained, "noise": run.noise}
    shown |= {"filters": run.filters, "batch_size": batch_size, "epochs": schedule.epochs}
    shown |= {"n_train": len(data.train_images)}

    def autocast() -> Any:
        lowered = recipe.precision == "bfloat16"
        return torch.autocast(device, torch.bfloat16) if lowered else contextlib.nullcontext()

    def objective(network: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with autocast():
            logits = network(x).float()
        return functional.cross_entropy(logits, y, reduction="sum"), logits

    def prepare(images: torch.Tensor) -> torch.Tensor:
        return training.as_float(augment.crop_and_flip(images, padding=recipe.crop_padding))

    def measure(network: torch.nn.Module) -> dict[str, float]:
        classes = evaluation.predict(network, data.test_images[monitored], batch_size=recipe.batch_size)
        return {"test_accuracy": (classes == data.test_labels[monitored]).double().mean().item()}

    sha256 = results.dataset_entry(DATASET)["sha256"]
    networks, entries, curves, states = {}, [], [], []
    for seed in range(settings.seed, settings.seed + size.seeds):
        torch.manual_seed(seed)
        model = runs.new("vonenet", config).to(device).to(memory_format=torch.channels_last)
        if run.trained and recipe.zero_init:
            resnet.zero_residuals(model)
        key = shown | {"seed": seed, "data": sha256, "device": device}
        states.append(work.state_path(f"{name}-seed{seed}", key, code=(sys.modules[__name__], models)))
        fitted = training.fit(
            model,
            data.train_images,
            data.train_labels,
            recipe=schedule,
            objective=objective,
            seed=seed,
            prepare=prepare,
            measure=measure,
            state=states[-1],
            label=f"{name}, seed {seed}",
        )
        if not run.trained:
            models.calibrate(model, data.train_images[:N_MONITORED], batch_size=batch_size)
        entries.append(
            evaluation.seed_entry(
                seed,
                model,
                data.test_images[tested],
                data.test_labels[tested],
                batch_size=recipe.batch_size,
                diverged=fitted.diverged,
            )
        )
        curves += [{"seed": seed, **row} for row in fitted.history] or [{"seed": seed, "epoch": 0} | measure(model)]
        networks[seed] = model
    runs.save(name, networks, architecture="vonenet", configs=dict.fromkeys(networks, config))
    results.write_curves(name, curves)
    results.write_run(
        "train",
        name,
        study="vonenet",
        scale=settings.scale,
        dataset=DATASET,
        settings=shown,
        accuracy=results.over_seeds(entries),
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        **results.per_seed(entries),
    )
    work.finish(states)


if __name__ == "__main__":
    stage_main(main)

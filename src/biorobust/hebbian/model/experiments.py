"""The study's classifiers, one per seed: readouts of learned units, and conventionally trained controls."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from biorobust.core import experiment, results, runs, training
from biorobust.core.files import read_json, read_tensors, sha256
from biorobust.hebbian.model import controls, diagnostics
from biorobust.hebbian.model import readout as readouts
from biorobust.hebbian.model.classifier import HebbianClassifier
from biorobust.hebbian.model.params import Control, ControlRun, ConvSize, MlpSize, Readout, ReadoutRun, ReadoutSize
from biorobust.hebbian.model.pretraining import DATASET, write_pictures
from biorobust.hebbian.model.units import choose

STUDY = "hebbian"


def train_readout(name: str, *, run: ReadoutRun, readout: Readout, size: ReadoutSize, scale: str) -> None:
    """Train one readout per seed of the weights; write checkpoints, metrics and curves."""
    data = experiment.load(DATASET, n_train=size.n_train)
    pretrained = read_json(results.METRICS / "pretrain" / f"{run.weights}.json")
    lengths = {
        "batch_size": data.batch_size(readout.batch_size),
        "epochs": data.epochs(size.epochs, n_train=size.n_train),
    }

    def source(seed: int) -> str:
        return f"data/checkpoints/hebbian/{run.weights}/seed{seed}.safetensors"

    def units(seed: int) -> Tensor:
        weights = read_tensors(source(seed))["weights"].to(data.test_labels.device)
        return choose(weights, units=run.units, p=pretrained["settings"]["p"], seed=seed)

    first = pretrained["seeds"][0]
    choice = readouts.choose_beta(units(first), data, readout=readout, seed=first, **lengths)
    settings: dict[str, Any] = {
        "readout_inputs": readout.inputs,
        "power": readout.power,
        "m": readout.m,
        "readout_learning_rate": readout.learning_rate,
        "readout_schedule": readout.schedule,
        "readout_batch_size": lengths["batch_size"],
        "readout_epochs": lengths["epochs"],
        "readout_n_train": len(data.train_images),
        "units": run.units,
        "beta": choice.beta,
    }

    def train(seed: int) -> training.Trained:
        weights = units(seed)
        model = readouts.new_classifier(weights, data.n_classes, readout=readout, beta=choice.beta, seed=seed)
        tested = readouts.activities(model, data.test_images)
        key = settings | {"weights": sha256(source(seed)), "n_units": len(weights)}
        fitted = readouts.train(
            model,
            readouts.activities(model, data.train_images),
            data.train_labels,
            readout=readout,
            seed=seed,
            test=(tested, data.test_labels),
            state=experiment.state_path(name, key, seed=seed, dataset=DATASET, code=(sys.modules[__name__],)),
            label=f"{name}, seed {seed}",
            **lengths,
        )
        predictions = training.predict(model, data.test_images)
        entry = results.seed_entry(seed, predictions, data.test_labels, diverged=fitted.diverged)
        entry |= {"n_units": len(weights), "saturated_share": readouts.saturated_share(model, tested)}
        config = {
            "n_hidden": len(weights),
            "n_inputs": weights.shape[1],
            "n_classes": data.n_classes,
            "n": readout.power,
            "beta": choice.beta,
            "inputs": readout.inputs,
        }
        return training.Trained(model=model, config=config, entry=entry, curve=fitted.history)

    def about(model: HebbianClassifier) -> dict[str, Any]:
        found: dict[str, Any] = {"n_parameters": model.weights.numel() + model.readout.weight.numel()}
        return found | ({"choice": choice.as_json()} if choice.candidates else {})

    experiment.train_seeds(
        name,
        train,
        seeds=pretrained["seeds"],
        architecture="hebbian-classifier",
        study=STUDY,
        scale=scale,
        dataset=DATASET,
        settings=pretrained["settings"] | settings,
        about=about,
    )


def train_control(
    name: str, *, run: ControlRun, control: Control, size: ConvSize | MlpSize, scale: str, seeds: Sequence[int]
) -> None:
    """Train one network per seed; write checkpoints, metrics, curves and pictures of the first layer."""
    data = experiment.load(DATASET, n_train=size.n_train)
    shape = data.image_size
    config: dict[str, Any] = {"n_classes": data.n_classes}
    if isinstance(size, MlpSize):
        config |= {"n_inputs": shape[0] * shape[1], "n_hidden": size.n_hidden}
    architecture = run.method.replace("_", "-")
    recipe = training.Recipe(
        epochs=data.epochs(size.epochs, n_train=size.n_train),
        batch_size=data.batch_size(control.batch_size),
        learning_rate=control.learning_rate,
    )
    settings = {
        "learning_rate": recipe.learning_rate,
        "batch_size": recipe.batch_size,
        "epochs": recipe.epochs,
        "n_train": len(data.train_images),
        **config,
    }

    def measure(network: nn.Module) -> dict[str, float]:
        right = training.predict(network, data.test_images) == data.test_labels
        return {"test_accuracy": right.double().mean().item()}

    def train(seed: int) -> training.Trained:
        torch.manual_seed(seed)
        model = runs.new(architecture, config).to(data.test_labels.device)
        key = settings | {"architecture": architecture}
        fitted = training.fit(
            model,
            data.train_images,
            data.train_labels,
            recipe=recipe,
            objective=training.objective(lambda logits, y: functional.cross_entropy(logits, y, reduction="sum")),
            seed=seed,
            measure=measure,
            state=experiment.state_path(name, key, seed=seed, dataset=DATASET, code=(sys.modules[__name__], controls)),
            label=f"{name}, seed {seed}",
        )
        predictions = training.predict(model, data.test_images)
        entry = results.seed_entry(seed, predictions, data.test_labels, diverged=fitted.diverged)
        first = first_layer(model, shape)
        if seed == seeds[0]:
            write_pictures(name, first)
        if first.shape[-2:] == shape:
            entry |= diagnostics.smoothness(first)
        return training.Trained(model=model, config=config, entry=entry, curve=fitted.history)

    experiment.train_seeds(
        name,
        train,
        seeds=seeds,
        architecture=architecture,
        study=STUDY,
        scale=scale,
        dataset=DATASET,
        settings=settings,
    )


def first_layer(model: nn.Module, shape: tuple[int, int]) -> Tensor:
    """The first layer's weights as pictures: (H, h, w) of a dense layer, (C, 5, 5) of the convolution."""
    weights = next(iter(model.state_dict().values()))
    return weights.reshape(-1, *shape) if weights.ndim == 2 else weights[:, 0]

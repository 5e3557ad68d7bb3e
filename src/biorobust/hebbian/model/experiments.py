"""The study's classifiers, one per seed: readouts of learned units, and conventionally trained controls."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from biorobust.core import experiment, results, runs, training
from biorobust.core.files import read_json, read_tensors, sha256
from biorobust.hebbian.model import controls, diagnostics
from biorobust.hebbian.model import readout as readouts
from biorobust.hebbian.model.classifier import HebbianClassifier
from biorobust.hebbian.model.params import (
    DATASET,
    Control,
    ControlRun,
    ConvSize,
    MlpSize,
    Readout,
    ReadoutRun,
    ReadoutSize,
)
from biorobust.hebbian.model.pretraining import write_pictures

if TYPE_CHECKING:
    from biorobust.params import Params


def train_readout(name: str, settings: Params) -> None:
    run = settings.run("hebbian_runs", name, ReadoutRun)
    readout, size = settings.block(run.readout, Readout), settings.size(run.readout, ReadoutSize)
    data = experiment.load(DATASET, n_train=size.n_train)
    pretrained = read_json(results.METRICS / "pretrain" / f"{run.weights}.json")
    batch_size, epochs = data.batch_size(readout.batch_size), data.epochs(size.epochs, n_train=size.n_train)

    def source(seed: int) -> str:
        return f"data/checkpoints/hebbian/{run.weights}/seed{seed}.safetensors"

    def units(seed: int) -> Tensor:
        weights = read_tensors(source(seed))["weights"].to(data.test_labels.device)
        return diagnostics.choose(weights, units=run.units, p=pretrained["settings"]["p"], seed=seed)

    first = pretrained["seeds"][0]
    lengths = {"batch_size": batch_size, "epochs": epochs}
    choice = readouts.choose_beta(units(first), data, readout=readout, seed=first, **lengths)
    of_readout = readout.model_dump(exclude={"power", "m", "beta"}) | lengths | {"n_train": len(data.train_images)}
    logged = {f"readout_{key}": value for key, value in of_readout.items()}
    logged |= {"power": readout.power, "m": readout.m, "units": run.units, "beta": choice.beta}

    def train(seed: int) -> training.Trained:
        weights = units(seed)
        model = readouts.new_classifier(weights, data.n_classes, readout=readout, beta=choice.beta, seed=seed)
        key = logged | {"weights": sha256(source(seed)), "n_units": len(weights)}
        state = experiment.state_path(name, key, seed=seed, dataset=DATASET, code=(sys.modules[__name__],))
        label = f"{name}, seed {seed}"
        fitted = readouts.fit(model, data, readout=readout, seed=seed, state=state, label=label, **lengths)
        config = {
            "n_hidden": len(weights),
            "n_inputs": weights.shape[1],
            "n_classes": data.n_classes,
            "n": readout.power,
            "beta": choice.beta,
            "inputs": readout.inputs,
        }
        trained = experiment.tested(model, config, fitted, data, seed=seed)
        trained.entry["n_units"] = len(weights)
        return trained

    def about(model: HebbianClassifier) -> dict[str, Any]:
        found: dict[str, Any] = {"n_parameters": model.weights.numel() + model.readout.weight.numel()}
        return found | ({"choice": choice.as_json()} if choice.candidates else {})

    experiment.train_seeds(
        name,
        train,
        seeds=pretrained["seeds"],
        architecture="hebbian-classifier",
        study="hebbian",
        scale=settings.scale,
        dataset=DATASET,
        settings=pretrained["settings"] | logged,
        about=about,
    )


def train_control(name: str, settings: Params) -> None:
    method = settings.run("hebbian_controls", name, ControlRun).method
    control, size = settings.block(method, Control), settings.size(method, ConvSize)
    seeds = settings.seeds(size.seeds)
    data = experiment.load(DATASET, n_train=size.n_train)
    shape = data.image_size
    config: dict[str, Any] = {"n_classes": data.n_classes}
    if isinstance(size, MlpSize):
        config |= {"n_inputs": shape[0] * shape[1], "n_hidden": size.n_hidden}
    architecture = method.replace("_", "-")
    recipe = training.Recipe(
        epochs=data.epochs(size.epochs, n_train=size.n_train),
        batch_size=data.batch_size(control.batch_size),
        learning_rate=control.learning_rate,
    )
    lengths = {"epochs": recipe.epochs, "batch_size": recipe.batch_size, "learning_rate": recipe.learning_rate}
    logged = lengths | {"n_train": len(data.train_images)} | config

    def train(seed: int) -> training.Trained:
        torch.manual_seed(seed)
        model = runs.new(architecture, config).to(data.test_labels.device)
        key = logged | {"architecture": architecture}
        fitted = training.fit(
            model,
            data.train_images,
            data.train_labels,
            recipe=recipe,
            objective=training.cross_entropy(),
            seed=seed,
            measure=training.watched(data.test_images, data.test_labels),
            state=experiment.state_path(name, key, seed=seed, dataset=DATASET, code=(sys.modules[__name__], controls)),
            label=f"{name}, seed {seed}",
        )
        # A dense layer's weights as pictures (H, h, w), a convolution's as they are (C, 5, 5).
        weights = next(iter(model.state_dict().values()))
        first = weights.reshape(-1, *shape) if weights.ndim == 2 else weights[:, 0]
        if seed == seeds[0]:
            write_pictures(name, first)
        trained = experiment.tested(model, config, fitted, data, seed=seed)
        if first.shape[-2:] == shape:
            trained.entry["autocorrelation"] = diagnostics.smoothness(first)
        return trained

    experiment.train_seeds(
        name,
        train,
        seeds=seeds,
        architecture=architecture,
        study="hebbian",
        scale=settings.scale,
        dataset=DATASET,
        settings=logged,
    )

"""Train the power classifier on frozen Hebbian units: `python -m stages.train_supervised report-uniform`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from biorobust import params
from biorobust.core import work
from biorobust.core.devices import pick
from biorobust.core.files import read_json, read_tensors, sha256
from biorobust.hebbian.model.params import Readout, ReadoutRun, ReadoutSize
from stages.common import run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="an entry of hebbian_runs in params.yaml")
    name = parser.parse_args(argv).run
    settings = params.load()
    run = settings.run("hebbian_runs", name, ReadoutRun)
    readout = settings.block(run.readout, Readout)
    size = settings.size(run.readout, ReadoutSize)
    with run_info(f"train_supervised@{name}"):
        train(name, settings=settings, run=run, readout=readout, size=size)


def train(name: str, *, settings: params.Params, run: ReadoutRun, readout: Readout, size: ReadoutSize) -> None:
    """Train one readout per seed of the weights; write checkpoints, metrics and curves."""
    from biorobust import datasets
    from biorobust.core import results, runs, training
    from biorobust.core.tensors import as_tensors
    from biorobust.hebbian.model import readout as readout_module
    from biorobust.hebbian.model.units import choose

    device = pick()
    data = as_tensors(datasets.load("data/datasets/mnist.npz"), n_train=size.n_train, device=device)
    batch_size = data.batch_size(readout.batch_size)
    epochs = data.epochs(size.epochs, n_train=size.n_train)
    pretrained = read_json(results.METRICS / "pretrain" / f"{run.weights}.json")
    data_sha256 = results.dataset_entry("mnist")["sha256"]
    recipe: dict[str, Any] = {
        "readout_inputs": readout.inputs,
        "power": readout.power,
        "m": readout.m,
        "readout_learning_rate": readout.learning_rate,
        "readout_schedule": readout.schedule,
        "readout_batch_size": batch_size,
        "readout_epochs": epochs,
        "readout_n_train": len(data.train_images),
        "units": run.units,
    }
    choice = None
    models, entries, curves, states, configs = {}, [], [], [], {}
    for seed in pretrained["seeds"]:
        source = f"data/checkpoints/hebbian/{run.weights}/seed{seed}.safetensors"
        weights = read_tensors(source)["weights"].to(device)
        weights = choose(weights, units=run.units, p=pretrained["settings"]["p"], seed=seed)
        if choice is None:
            choice = readout_module.choose_beta(
                weights, data, readout=readout, batch_size=batch_size, epochs=epochs, seed=seed
            )
        model = readout_module.new_classifier(weights, data.n_classes, readout=readout, beta=choice.beta, seed=seed)
        test_activities = readout_module.activities(model, data.test_images)
        key = recipe | {"seed": seed, "beta": choice.beta, "data": data_sha256, "device": device}
        key |= {"weights": sha256(source), "n_units": len(weights)}
        states.append(work.state_path(f"{name}-seed{seed}", key, code=(sys.modules[__name__],)))
        fitted = readout_module.train(
            model,
            readout_module.activities(model, data.train_images),
            data.train_labels,
            readout=readout,
            batch_size=batch_size,
            epochs=epochs,
            seed=seed,
            test=(test_activities, data.test_labels),
            state=states[-1],
            label=f"{name}, seed {seed}",
        )
        predictions = training.predict(model, data.test_images)
        entry = results.seed_entry(seed, predictions, data.test_labels, diverged=fitted.diverged)
        entries.append(entry | {"n_units": len(weights), "saturated_share": saturated_share(model, test_activities)})
        curves += [{"seed": seed, **row} for row in fitted.history]
        models[seed] = model
        configs[seed] = {
            "n_hidden": len(weights),
            "n_inputs": weights.shape[1],
            "n_classes": data.n_classes,
            "n": readout.power,
            "beta": choice.beta,
            "inputs": readout.inputs,
        }
    assert choice is not None
    runs.save(name, models, architecture="hebbian-classifier", configs=configs)
    results.write_curves(name, curves)
    results.write_run(
        "train",
        name,
        study="hebbian",
        scale=settings.scale,
        dataset="mnist",
        settings=pretrained["settings"] | recipe | {"beta": choice.beta},
        accuracy=results.over_seeds(entries),
        n_parameters=sum(parameter.numel() for parameter in model.state_dict().values()),
        **({"choice": choice.as_json()} if choice.candidates else {}),
        **results.per_seed(entries),
    )
    work.finish(states)


def saturated_share(model: Any, activities: Any) -> float:
    """Share of images with an output of exactly +1 or -1, where tanh passes no gradient, from activities (N, H)."""
    import torch

    with torch.no_grad():
        return float((model.logits(activities).tanh().abs() == 1).any(dim=1).double().mean())


if __name__ == "__main__":
    stage_main(main)

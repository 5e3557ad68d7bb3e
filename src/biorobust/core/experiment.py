"""What every training stage does the same way: load a data set, train a network per seed, write a run's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from biorobust import datasets
from biorobust.core import results, runs, tensors, work
from biorobust.core.devices import pick
from biorobust.core.tensors import Tensors
from biorobust.core.training import Fit, Trained, predict


def load(dataset: str, *, n_train: int = 0) -> Tensors:
    """A stored data set on the device that is computed on, with the first n_train training images of a fixed order."""
    return tensors.as_tensors(datasets.load(f"data/datasets/{dataset}.npz"), n_train=n_train, device=pick())


def state_path(name: str, key: Mapping[str, Any], *, seed: int, dataset: str, code: tuple[ModuleType, ...]) -> Path:
    """Where one seed's training keeps its state: `work.state_path`, with seed, data and device added to the key."""
    key = {**key, "seed": seed, "data": results.dataset_entry(dataset)["sha256"], "device": pick()}
    return work.state_path(f"{name}-seed{seed}", key, code=code)


def tested(model: nn.Module, config: Mapping[str, Any], fitted: Fit, data: Tensors, *, seed: int) -> Trained:
    """One seed's training with its result on all test images."""
    predictions = predict(model, data.test_images)
    entry = results.seed_entry(seed, predictions, data.test_labels, diverged=fitted.diverged)
    return Trained(model=model, config=config, entry=entry, curve=fitted.history)


def sized(model: nn.Module) -> dict[str, Any]:
    return {"n_parameters": sum(parameter.numel() for parameter in model.parameters())}


def train_seeds(
    name: str,
    train: Callable[[int], Trained],
    *,
    seeds: Iterable[int],
    architecture: str,
    study: str,
    scale: str,
    dataset: str,
    settings: Mapping[str, Any],
    columns: Sequence[str] | None = None,
    about: Callable[[Any], Mapping[str, Any]] = sized,
) -> None:
    """Train every seed, then write the checkpoints, curves and metrics of the run.

    settings: what was really trained. columns: of the curves, by default all. about: what the metrics say of the
    network, asked of that of the last seed.
    """
    trained = {seed: train(seed) for seed in seeds}
    runs.save(
        name,
        {seed: one.model for seed, one in trained.items()},
        architecture=architecture,
        configs={seed: one.config for seed, one in trained.items()},
    )
    rows = [{"seed": seed, **row} for seed, one in trained.items() for row in one.curve]
    results.write_curves(name, rows, columns=columns)
    entries = [one.entry for one in trained.values()]
    results.write_run(
        "train",
        name,
        study=study,
        scale=scale,
        dataset=dataset,
        settings=settings,
        accuracy=results.over_seeds(entries),
        **about(list(trained.values())[-1].model),
        **results.per_seed(entries),
    )

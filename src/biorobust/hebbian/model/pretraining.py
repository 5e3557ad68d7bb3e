"""Hidden units learned without labels, one set per seed, and what is logged of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from biorobust.core import experiment, results, work
from biorobust.core.files import write_npz, write_tensors
from biorobust.core.progress import progress
from biorobust.hebbian import learn
from biorobust.hebbian.model import diagnostics
from biorobust.hebbian.model.params import Rule, RuleSize

DATASET = "mnist"
LOGGED = ("converged_share", "negative_share", "autocorrelation")  # after every epoch


def pretrain(name: str, *, rule: Rule, init: str, size: RuleSize, scale: str, seeds: Iterable[int]) -> None:
    """Learn one set of weights per seed; write checkpoints, metrics, curves and pictures of the first units."""
    data = experiment.load(DATASET, n_train=size.n_train)
    shape, images = data.image_size, data.train_images.flatten(1)
    recipe: dict[str, Any] = {
        "p": rule.p,
        "k": rule.k,
        "delta": rule.delta,
        "learning_rate": rule.learning_rate,
        "batch_size": data.batch_size(rule.batch_size),
        "init": init,
        "n_hidden": size.n_hidden,
        "epochs": data.epochs(size.epochs, n_train=size.n_train),
        "n_train": len(images),
    }
    entries: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    for seed in seeds:
        weights, rows = learn_seed(name, images, recipe=recipe, seed=seed, shape=shape)
        write_tensors(f"data/checkpoints/hebbian/{name}/seed{seed}.safetensors", {"weights": weights})
        if not entries:
            write_pictures(name, weights.reshape(-1, *shape))
        entries.append({"seed": seed, **diagnostics.describe(weights, p=rule.p, shape=shape)})
        curves += [{"seed": seed, **row} for row in rows]
    results.write_curves(f"weights-{name}", curves)
    results.write_run(
        "pretrain",
        name,
        study="hebbian",
        scale=scale,
        dataset=DATASET,
        settings=recipe,
        n_updates=recipe["epochs"] * (len(images) // recipe["batch_size"]),
        n_parameters=size.n_hidden * images.shape[1],
        **results.per_seed(entries),
    )


def write_pictures(name: str, units: Tensor) -> None:
    """The first units (H, h, w) of a network as pictures."""
    pictures = units[: diagnostics.N_PICTURES].cpu().numpy().astype("float16")
    write_npz(results.METRICS / f"pictures/weights-{name}.npz", {"units": pictures})


def learn_seed(
    name: str, images: Tensor, *, recipe: dict[str, Any], seed: int, shape: tuple[int, int]
) -> tuple[Tensor, list[dict[str, float]]]:
    """The weights of one seed and a row of diagnostics per epoch; goes on from where an earlier start was ended."""
    state = experiment.state_path(f"hebbian-{name}", recipe, seed=seed, dataset=DATASET, code=(sys.modules[__name__],))
    saved = work.load_state(state)
    generator = torch.Generator().manual_seed(seed)
    rows: list[dict[str, float]] = []
    start = None
    if saved:
        rows, start = saved["rows"], (len(saved["rows"]), saved["weights"])
        generator.set_state(saved["generator"])
    bar = progress(label=f"{name}, seed {seed}", unit="epochs", total=recipe["epochs"], initial=len(rows))

    def after_epoch(done: int, weights: Tensor) -> None:
        described = diagnostics.describe(weights, p=recipe["p"], shape=shape)
        rate = recipe["learning_rate"] * (1 - (done - 1) / recipe["epochs"])
        rows.append({"epoch": done, "learning_rate": rate, **{column: described[column] for column in LOGGED}})
        work.save_state(state, {"weights": weights, "rows": rows, "generator": generator.get_state()})
        bar.update()

    arguments = ("n_hidden", "batch_size", "learning_rate", "p", "k", "delta", "init")
    weights = learn(
        images,
        n_epochs=recipe["epochs"],
        generator=generator,
        start=start,
        on_epoch=after_epoch,
        **{name: recipe[name] for name in arguments},
    )
    bar.close()
    return weights, rows

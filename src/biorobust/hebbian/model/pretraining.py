"""Hidden units learned without labels, one set per seed, and what is logged of them."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from biorobust.core import experiment, results, work
from biorobust.core.files import write_npz, write_tensors
from biorobust.core.progress import progress
from biorobust.core.tensors import Tensors
from biorobust.core.training import share
from biorobust.hebbian.model import diagnostics
from biorobust.hebbian.model.params import DATASET, Rule, RuleSize, WeightsRun
from biorobust.hebbian.model.rule import learn

if TYPE_CHECKING:
    from biorobust.params import Params


def pretrain(name: str, settings: Params) -> None:
    """Learn one set of weights per seed; write checkpoints, metrics, curves and pictures of the first units."""
    run = settings.run("hebbian_weights", name, WeightsRun)
    rule, size = settings.block(run.method, Rule), settings.size(run.method, RuleSize)
    data = experiment.load(DATASET, n_train=size.n_train)
    epochs = data.epochs(size.epochs, n_train=size.n_train)
    recipe = fitted_recipe(rule, data, init=run.init, n_hidden=size.n_hidden, epochs=epochs)
    entries: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    for seed in settings.seeds(size.seeds):
        weights, rows = learn_seed(name, data, recipe=recipe, seed=seed)
        write_tensors(f"data/checkpoints/hebbian/{name}/seed{seed}.safetensors", {"weights": weights})
        if not entries:
            write_pictures(name, weights.reshape(-1, *data.image_size))
        entries.append({"seed": seed, **diagnostics.describe(weights, p=rule.p, shape=data.image_size)})
        curves += [{"seed": seed, **row} for row in rows]
    results.write_curves(f"weights-{name}", curves)
    results.write_run(
        "pretrain",
        name,
        study="hebbian",
        scale=settings.scale,
        dataset=DATASET,
        settings=recipe,
        n_updates=epochs * (recipe["n_train"] // recipe["batch_size"]),
        n_parameters=size.n_hidden * math.prod(data.image_size),
        **results.per_seed(entries),
    )


def write_pictures(name: str, units: Tensor) -> None:
    pictures = units[: diagnostics.N_PICTURES].cpu().numpy().astype("float16")
    write_npz(results.METRICS / f"pictures/weights-{name}.npz", {"units": pictures})


def fitted_recipe(rule: Rule, data: Tensors, *, init: str, n_hidden: int, epochs: int) -> dict[str, Any]:
    """What `learn_seed` is told, and the metrics say: a rule with minibatches that fit the data."""
    own = {"batch_size": data.batch_size(rule.batch_size), "init": init, "n_hidden": n_hidden}
    return rule.model_dump() | own | {"epochs": epochs, "n_train": len(data.train_images)}


def learn_seed(name: str, data: Tensors, *, recipe: dict[str, Any], seed: int) -> tuple[Tensor, list[dict[str, float]]]:
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
        rate = recipe["learning_rate"] * (1 - (done - 1) / recipe["epochs"])
        converged = share(diagnostics.converged(weights, p=recipe["p"]))
        rows.append({"epoch": done, "learning_rate": rate, "converged_share": converged})
        work.save_state(state, {"weights": weights, "rows": rows, "generator": generator.get_state()})
        bar.update()

    arguments = ("n_hidden", "batch_size", "learning_rate", "p", "k", "delta", "init")
    weights = learn(
        data.train_images.flatten(1),
        n_epochs=recipe["epochs"],
        generator=generator,
        start=start,
        on_epoch=after_epoch,
        **{name: recipe[name] for name in arguments},
    )
    bar.close()
    return weights, rows

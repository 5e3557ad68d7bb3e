"""Learn hidden units without labels: `python -m stages.hebbian_pretrain uniform`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biorobust import params
from biorobust.core import work
from biorobust.core.devices import pick
from biorobust.core.files import write_npz, write_tensors
from biorobust.hebbian.model.params import Rule, RuleSize, WeightsRun
from stages.common import run_info, stage_main

if TYPE_CHECKING:
    from torch import Tensor


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", help="an entry of hebbian_weights in params.yaml")
    name = parser.parse_args(argv).weights
    settings = params.load()
    run = settings.run("hebbian_weights", name, WeightsRun)
    rule = settings.block(run.method, Rule)
    size = settings.size(run.method, RuleSize)
    if rule.k > size.n_hidden:
        raise params.ParamsError(f"{run.method}.k = {rule.k}: must be at most n_hidden = {size.n_hidden} (params.yaml)")
    with run_info(f"hebbian_pretrain@{name}"):
        pretrain(name, settings=settings, run=run, rule=rule, size=size)


def pretrain(name: str, *, settings: params.Params, run: WeightsRun, rule: Rule, size: RuleSize) -> None:
    """Learn one set of weights per seed; write checkpoints, metrics, curves and pictures of the first units."""
    from biorobust import datasets
    from biorobust.core import results
    from biorobust.core.tensors import as_tensors
    from biorobust.hebbian.model import diagnostics

    data = as_tensors(datasets.load("data/datasets/mnist.npz"), n_train=size.n_train, device=pick())
    shape = data.image_size
    images = data.train_images.flatten(1)
    recipe: dict[str, Any] = {
        "p": rule.p,
        "k": rule.k,
        "delta": rule.delta,
        "learning_rate": rule.learning_rate,
        "batch_size": data.batch_size(rule.batch_size),
        "init": run.init,
        "n_hidden": size.n_hidden,
        "epochs": data.epochs(size.epochs, n_train=size.n_train),
        "n_train": len(images),
    }
    entries, curves, states = [], [], []
    for seed in range(settings.seed, settings.seed + size.seeds):
        weights, rows, state = learn_seed(name, images, recipe=recipe, seed=seed, shape=shape)
        write_tensors(f"data/checkpoints/hebbian/{name}/seed{seed}.safetensors", {"weights": weights})
        entries.append({"seed": seed, **diagnostics.describe(weights, p=rule.p, shape=shape)})
        curves += [{"seed": seed, **row} for row in rows]
        states.append(state)
        if seed == settings.seed:
            pictures = weights[: diagnostics.N_PICTURES].reshape(-1, *shape).cpu().numpy().astype("float16")
            write_npz(results.METRICS / f"pictures/weights-{name}.npz", {"units": pictures})
    results.write_curves(f"weights-{name}", curves)
    results.write_run(
        "pretrain",
        name,
        study="hebbian",
        scale=settings.scale,
        dataset="mnist",
        settings=recipe,
        n_updates=recipe["epochs"] * (len(images) // recipe["batch_size"]),
        n_parameters=size.n_hidden * images.shape[1],
        **results.per_seed(entries),
    )
    work.finish(states)


def learn_seed(
    name: str, images: Tensor, *, recipe: dict[str, Any], seed: int, shape: tuple[int, int]
) -> tuple[Tensor, list[dict[str, float]], Path]:
    """The weights of one seed, a row of diagnostics per epoch, and the file with the state a restart goes on from."""
    import torch

    from biorobust.core import results
    from biorobust.core.progress import progress
    from biorobust.hebbian import learn
    from biorobust.hebbian.model import diagnostics

    key = recipe | {"seed": seed, "data": results.dataset_entry("mnist")["sha256"], "device": pick()}
    state = work.state_path(f"hebbian-{name}-seed{seed}", key, code=(sys.modules[__name__],))
    saved = work.load_state(state)
    generator = torch.Generator().manual_seed(seed)
    rows: list[dict[str, float]] = []
    start = None
    if saved:
        rows, start = saved["rows"], (len(saved["rows"]), saved["weights"])
        generator.set_state(saved["generator"])
    bar = progress(label=f"{name}, seed {seed}", unit="epochs", total=recipe["epochs"], initial=len(rows))

    def note(done: int, weights: Tensor) -> None:
        found = diagnostics.describe(weights, p=recipe["p"], shape=shape)
        rate = recipe["learning_rate"] * (1 - (done - 1) / recipe["epochs"])
        kept = {column: found[column] for column in ("converged_share", "negative_share", "autocorrelation")}
        rows.append({"epoch": done, "learning_rate": rate, **kept})
        work.save_state(state, {"weights": weights, "rows": rows, "generator": generator.get_state()})
        bar.update()

    weights = learn(
        images,
        n_hidden=recipe["n_hidden"],
        n_epochs=recipe["epochs"],
        batch_size=recipe["batch_size"],
        learning_rate=recipe["learning_rate"],
        p=recipe["p"],
        k=recipe["k"],
        delta=recipe["delta"],
        init=recipe["init"],
        generator=generator,
        start=start,
        on_epoch=note,
    )
    bar.close()
    return weights, rows, state


if __name__ == "__main__":
    stage_main(main)

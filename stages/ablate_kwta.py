"""Train and attack every ablation of the k-WTA study, one changed setting each: `python -m stages.ablate_kwta`."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biorobust import params
from biorobust.core import results
from biorobust.core.devices import pick
from biorobust.core.files import sha256, write_csv, write_json
from biorobust.core.left_out import has_run, not_at_this_scale
from biorobust.kwta.model import recipe as recipes
from biorobust.kwta.model.params import CURVE_COLUMNS, Ablation, AblationRun, AblationSize, Attacks, Incremental, Recipe
from stages.common import run_info, stage_main

if TYPE_CHECKING:
    from biorobust.core.tensors import Tensors
    from biorobust.datasets import Dataset
    from biorobust.kwta.model.training import Trained

METRICS = Path("reports/metrics/ablations")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="this entry of kwta_ablations only, writing nothing but its states")
    only = parser.parse_args(argv).only
    settings = params.load()
    from biorobust import datasets
    from biorobust.core import work
    from biorobust.core.progress import progress

    if only is not None:
        ablate(only, settings=settings, load=datasets.load, write=False)
        return
    load = functools.cache(datasets.load)

    with run_info("ablate_kwta"):
        states: list[Path] = []
        for name in progress(settings.runs["kwta_ablations"], label="training and attacks", unit="ablations"):
            states += ablate(name, settings=settings, load=load)
        work.finish(states)


def ablate(name: str, *, settings: params.Params, load: Callable[[str], Dataset], write: bool = True) -> list[Path]:
    """Train and attack the seeds of one ablation and write its metrics; returns the files its states lie in.

    load: gives the data set stored in a file.
    """
    run = settings.run("kwta_ablations", name, AblationRun)
    size = settings.size("kwta_ablation", AblationSize)
    plan = settings.block("kwta_incremental", Incremental)
    recipe, baseline = recipes.of_ablation(settings, run)
    if write and not has_run(size.trained, name):
        reason = not_at_this_scale(settings.scale, "kwta_ablation")
        write_metrics(name, settings, recipe, baseline, {"reason": reason}, n_test=size.n_test)
        return []
    import torch

    from biorobust.core import results
    from biorobust.core.intervals import wilson
    from biorobust.core.tensors import as_tensors
    from biorobust.kwta.model import training
    from biorobust.networks.weights import Unavailable

    device = pick()
    dataset = load(f"data/datasets/{run.dataset}.npz")
    data = as_tensors(dataset, n_train=recipe.n_train, device=device)
    tested = torch.from_numpy(dataset.evaluation[: size.n_test].copy()).to(device)
    data = replace(data, test_images=data.test_images[tested], test_labels=data.test_labels[tested])
    watched = torch.arange(min(training.N_WATCHED, len(tested)), device=device)
    recipe = training.fitted_recipe(recipe, data)
    digest = results.dataset_entry(run.dataset)["sha256"]
    trained, robust, states = [], [], []
    unavailable = None
    for seed in range(settings.seed, settings.seed + min(run.seeds, size.seeds)):
        states.append(training.state_path(name, recipe, seed=seed, plan=plan, data_sha256=digest, device=device))
        try:
            trained.append(training.train(name, recipe, data, watched=watched, seed=seed, plan=plan, state=states[-1]))
        except Unavailable as error:
            unavailable = str(error)
            break
        key = {"training": sha256(states[-1]), "device": device}
        robust.append(under_attack(name, trained[-1], data, settings=settings, key=key))
        states.append(robust[-1].pop("state"))
    if not write:
        return states
    entries = [one.entry for one in trained]
    broken = sum(entry["collapsed"] or entry["diverged"] for entry in entries)
    outcome: dict[str, Any] = {"reason": unavailable}
    if unavailable is None:
        outcome = {
            "accuracy": results.over_seeds(entries),
            "collapses": {"collapsed": broken, "n_seeds": len(entries), "wilson": wilson(broken, len(entries))},
            "n_steps": training.n_steps(recipe),
            **results.per_seed(entries),
            "robust": {
                "attack": settings.block("kwta_ablation", Ablation).attack,
                "eps": settings.block("kwta_attack", Attacks).eps(run.dataset),
                "per_seed": robust,
            },
        }
    rows = [row for one in trained for row in one.curve]
    write_metrics(name, settings, recipe, baseline, outcome, rows, n_test=len(tested))
    return states


def write_metrics(
    name: str,
    settings: params.Params,
    recipe: Recipe,
    baseline: Recipe,
    outcome: dict[str, Any],
    rows: Sequence[Mapping[str, Any]] = (),
    *,
    n_test: int,
) -> None:
    """The two files of an ablation. outcome: what came out, or the `reason` why nothing did; rows: of its curves."""
    import pandas as pd

    run = settings.run("kwta_ablations", name, AblationRun)
    plan = settings.block("kwta_incremental", Incremental)
    status = "unavailable" if "reason" in outcome else "ok"
    falling = {}
    if recipe.gamma_schedule == "incremental":  # the fall of gamma brings its own of the learning rate
        falling = {"drop_at": recipes.held(plan, recipe.epochs) / recipe.epochs, "drop_factor": plan.factor}
    n_images = settings.size("kwta_ablation", AblationSize).n_images
    sizes = {"recipe": run.recipe, "n_test": n_test, "n_images": n_images}
    head = {"run": name, "study": "kwta", "scale": settings.scale, "status": status}
    body: dict[str, Any] = {
        "dataset": results.dataset_entry(run.dataset),
        "settings": recipe.model_dump() | falling | sizes,
        "question": run.question,
        "changed": {"key": run.change, "value": run.to, "baseline": getattr(baseline, run.change)},
    }
    write_json(METRICS / f"{name}.json", head | body | outcome)
    write_csv(METRICS / f"{name}.csv", pd.DataFrame(list(rows), columns=list(CURVE_COLUMNS)))


def under_attack(
    name: str, trained: Trained, data: Tensors, *, settings: params.Params, key: dict[str, Any]
) -> dict[str, Any]:
    """How many of the first test images one seed still gets right under the ablations' attack."""
    import numpy as np

    from biorobust.core.training import as_float
    from biorobust.kwta.model import attacking

    plan, attack = settings.block("kwta_attack", Attacks), settings.block("kwta_ablation", Ablation).attack
    n = min(settings.size("kwta_ablation", AblationSize).n_images, len(data.test_labels))
    victim = attacking.Victim(
        name=name,
        model=trained.model.eval().requires_grad_(False),
        images=as_float(data.test_images[:n]),
        labels=data.test_labels[:n],
        index=np.arange(n),
        eps=plan.eps(trained.dataset),
        seed=trained.entry["seed"],
        key=key,
    )
    table, state = attacking.single(victim, attack)
    counted = attacking.counts(table, eps=victim.eps)[attack]
    kept = {key: counted[key] for key in ("nonfinite_gradient",) if key in counted}
    return {"seed": victim.seed, "n": counted["n"], "correct": counted["correct"][0], **kept, "state": state}


if __name__ == "__main__":
    stage_main(main)

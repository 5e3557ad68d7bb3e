"""Every attack of a study on every seed of a run, and the files that are written about it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from biorobust import attacks
from biorobust.attacks import records
from biorobust.core import experiment, places, results, runs
from biorobust.core.attack_plan import AttackPlan, AttackSize
from biorobust.core.files import write_npz, write_parquet

N_PICTURES = 6  # adversarial images kept per epsilon: the first evaluation images, not chosen ones


def attack(name: str, *, study: str, dataset_name: str, scale: str, plan: AttackPlan, size: AttackSize) -> None:
    """Attack every seed on the same evaluation images; write records, metrics, curves and a few adversarial images."""
    index, images, labels = experiment.load(dataset_name).evaluated(size.n_images)
    in_split, seeds = index.cpu().numpy(), runs.seeds(name)
    tables: list[pd.DataFrame] = []
    counted: dict[int, dict[str, dict[str, Any]]] = {}
    for seed in seeds:
        model = runs.load(name, seed=seed, device=str(labels.device))
        shared: dict[str, Any] = {"eps": plan.eps, "seed": seed, "views": runs.attack_views(name, model)}
        label = f"{name}, seed {seed}"
        table = attacks.run(model, images, labels, plan.attacks, label=label, **shared)
        table["index"] = in_split[table["index"].to_numpy()]
        tables.append(table.assign(seed=seed))
        counted[seed] = records.counts(table, eps=plan.eps)
        if seed == seeds[0]:
            few = images[:N_PICTURES], labels[:N_PICTURES]
            aimed = [key for key in plan.attacks if attacks.get(key).targeted]
            for kind, key in [("adversarial", plan.attacks[0]), *(("targeted", key) for key in aimed[:1])]:
                write_npz(results.METRICS / f"pictures/{kind}-{name}.npz", attacks.pictures(model, *few, key, **shared))
    write_parquet(places.RECORDS / study / f"{name}.parquet", pd.concat(tables, ignore_index=True))
    curves = [
        {"attack": key, "seed": seed, "eps": value, "accuracy": correct / found["n"]}
        for seed, summary in counted.items()
        for key, found in summary.items()
        for value, correct in zip(plan.eps, found["correct"], strict=True)
    ]
    results.write_curves(f"attack-{name}", curves)
    results.write_run(
        "attack",
        name,
        study=study,
        scale=scale,
        dataset=dataset_name,
        settings={"n_images": len(images), "attacks": list(plan.attacks)},
        eps=list(plan.eps),
        n_images=len(images),
        attacks=records.by_attack(counted, about=attacks.about),
        seeds=seeds,
    )

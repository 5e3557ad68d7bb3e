"""Run every attack of a study on one run: `python -m stages.attack report-uniform`."""

from __future__ import annotations

import argparse
from pathlib import Path

from biorobust import params
from biorobust.core.attack_plan import AttackPlan, AttackSize
from biorobust.core.devices import pick
from biorobust.core.files import write_npz, write_parquet
from stages.common import run_info, stage_main

RECORDS = Path("data/attacks")
N_PICTURES = 6  # adversarial images kept per epsilon: the first evaluation images, not chosen ones


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run of params.yaml that has a checkpoint")
    name = parser.parse_args(argv).run
    settings = params.load()
    study = study_of(name, settings=settings)
    module = params.STUDIES[study]
    with run_info(f"{stage_of(name, study=study, settings=settings)}@{name}"):
        attack(
            name,
            study=study,
            dataset_name=module.DATASET,
            settings=settings,
            plan=settings.block(module.ATTACK, AttackPlan),
            size=settings.size(module.ATTACK, AttackSize),
        )


def study_of(name: str, *, settings: params.Params) -> str:
    """The study a run belongs to. Raises ParamsError naming the runs there are."""
    for study, module in params.STUDIES.items():
        if any(name in settings.runs[group] for group in module.NETWORKS):
            return study
    studies = params.STUDIES.values()
    known = [run for module in studies for group in module.NETWORKS for run in settings.runs[group]]
    raise params.ParamsError(f"run {name!r}: unknown; known are {', '.join(known)}")


def stage_of(name: str, *, study: str, settings: params.Params) -> str:
    """The stage of dvc.yaml that attacks a run: by the study's ATTACK_STAGES, else `attack_<run list, no _runs>`."""
    module = params.STUDIES[study]
    group = next(group for group in module.NETWORKS if name in settings.runs[group])
    return str(getattr(module, "ATTACK_STAGES", {}).get(group, f"attack_{group.removesuffix('_runs')}"))


def attack(
    name: str, *, study: str, dataset_name: str, settings: params.Params, plan: AttackPlan, size: AttackSize
) -> None:
    """Attack every seed on the same evaluation images; write records, metrics, curves and a few adversarial images."""
    import pandas as pd
    import torch

    from biorobust import attacks, datasets
    from biorobust.attacks import records as record
    from biorobust.core import results, runs
    from biorobust.core.tensors import as_tensors
    from biorobust.core.training import as_float

    device = pick()
    dataset = datasets.load(f"data/datasets/{dataset_name}.npz")
    data = as_tensors(dataset, n_train=1, device=device)
    chosen = torch.from_numpy(dataset.evaluation[: size.n_images].copy()).to(device)
    images, labels = as_float(data.test_images[chosen]), data.test_labels[chosen]
    eps, options = plan.grid(dataset_name), plan.options()
    tables, summaries, curves = [], {}, []
    for seed in runs.seeds(name):
        model = runs.load(name, seed=seed, device=device)
        views = runs.attack_views(name, model)
        table = attacks.run(
            model,
            images,
            labels,
            plan.attacks,
            eps=eps,
            seed=seed,
            views=views,
            label=f"{name}, seed {seed}",
            **options,
            **size.options(),
        )
        table["index"] = chosen.cpu().numpy()[table["index"].to_numpy()]
        tables.append(table.assign(seed=seed))
        summaries[seed] = record.counts(table, eps=eps)
        curves += [
            {"attack": key, "seed": seed, "eps": value, "accuracy": correct / found["n"]}
            for key, found in summaries[seed].items()
            for value, correct in zip(eps, found["correct"], strict=True)
        ]
        if len(tables) == 1:
            aimed = [key for key in plan.attacks if attacks.get(key).targeted]
            for kind, key in [("adversarial", plan.attacks[0]), *(("targeted", key) for key in aimed[:1])]:
                few = images[:N_PICTURES], labels[:N_PICTURES]
                pictures = attacks.pictures(model, *few, key, eps=eps, seed=seed, views=views)
                write_npz(results.METRICS / f"pictures/{kind}-{name}.npz", pictures)
    write_parquet(RECORDS / study / f"{name}.parquet", pd.concat(tables, ignore_index=True))
    results.write_curves(f"attack-{name}", curves)
    per_attack = {
        key: {"about": attacks.about(key), "per_seed": [{"seed": seed, **summaries[seed][key]} for seed in summaries]}
        for key in [*plan.attacks, record.WORST_CASE]
    }
    results.write_run(
        "attack",
        name,
        study=study,
        scale=settings.scale,
        dataset=dataset_name,
        settings={"n_images": len(images), "attacks": list(plan.attacks), **options},
        eps=list(eps),
        n_images=len(images),
        attacks=per_attack,
        seeds=list(summaries),
    )


if __name__ == "__main__":
    stage_main(main)

"""Compare the layers of networks with and without a V1 stage between clean and perturbed images."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from biorobust import params
from biorobust.core import results, runs, work
from biorobust.core.devices import pick
from biorobust.core.files import sha256, write_csv, write_npz, write_parquet
from biorobust.core.places import together
from biorobust.core.progress import progress
from biorobust.vonenet.model.params import (
    ANALOGUE,
    GROUPS,
    Activations,
    ActivationsSize,
    Perturbations,
    baseline,
    untrained,
)
from stages.common import run_info, stage_main

if TYPE_CHECKING:
    from biorobust.vonenet.model.measurements import LayerMeasurements

ARRAYS, RECORDS = Path("data/activations/vonenet"), Path("data/attacks/vonenet/own")


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(prog="python -m stages.activations_vonenet", description=__doc__).parse_args(argv)
    settings = params.load()
    plan = settings.block("vonenet_activations", Activations)
    size = settings.size("vonenet_activations", ActivationsSize)
    if plan.common_eps not in plan.eps:
        text = ", ".join(map(str, plan.eps))
        raise params.ParamsError(
            f"vonenet_activations.common_eps = {plan.common_eps}: must be one of eps, {text} (params.yaml)"
        )
    with run_info("activations_vonenet"), together("vonenet"):
        for group in GROUPS:
            activations(group, settings=settings, plan=plan, size=size)
        write_v1()


def activations(group: str, *, settings: params.Params, plan: Activations, size: ActivationsSize) -> None:
    """Measure every network, then compare each that has a V1 stage with its baseline; write arrays and metrics."""
    from biorobust.vonenet.model.measurements import outcomes_of

    (ARRAYS / group).mkdir(parents=True, exist_ok=True)  # an out has to be there, with no network in it too
    listed: Mapping[str, Any] = settings.runs[GROUPS[group].runs]
    dataset = GROUPS[group].dataset
    logged = {"common_eps": plan.common_eps, **vars(size)}
    head: dict[str, Any] = {"study": "vonenet", "scale": settings.scale, "dataset": dataset}
    measured: dict[str, dict[int, LayerMeasurements]] = {}
    states: list[Path] = []
    for name in progress(listed, label=f"layers of the networks on {dataset}", unit="networks"):
        if reason := runs.unavailable(name):
            for kind in ("activations", "riddle", "attack"):
                results.write_unavailable(kind, name, reason=reason, settings=logged, **head)
            continue
        measured[name] = measure_run(group, name, settings=settings, plan=plan, size=size, states=states)
        write(name, measured[name], group=group, plan=plan, head=head, logged=logged)
    for name in measured:
        random = measured.get(untrained(name, listed) or "", {})
        outcomes = {seed: outcomes_of(one, random.get(seed)) for seed, one in measured[name].items()}
        entries = [
            {"seed": seed, "numbers": {one["id"]: one["numbers"] for one in of_seed}}
            for seed, of_seed in outcomes.items()
        ]
        first = next(iter(outcomes.values()))  # in words; of all seeds the numbers
        results.write_run("riddle", name, settings=logged, **head, outcomes=first, **results.per_seed(entries))
    for name in listed:
        plain = baseline(name, listed)
        if plain is None:
            continue
        if reason := runs.unavailable(name) or runs.unavailable(plain):
            results.write_unavailable("deviations", name, reason=reason, **head, settings=logged)
        else:
            write_pair(measured[plain], measured[name], names=(plain, name), head=head, logged=logged)
    work.finish(states)


def measure_run(
    group: str, name: str, *, settings: params.Params, plan: Activations, size: ActivationsSize, states: list[Path]
) -> dict[int, LayerMeasurements]:
    """Every seed of one network; the files of what a restart need not measure again are added to `states`."""
    from biorobust import datasets
    from biorobust.core import tensors, training
    from biorobust.vonenet.model import measurements, stimuli

    device = pick()
    stored = datasets.load(f"data/datasets/{GROUPS[group].dataset}.npz")
    data = tensors.as_tensors(stored, n_train=1, device=device)
    wanted = settings.block("vonenet_perturbations", Perturbations).sources
    sources = [run for run in settings.runs[GROUPS[group].runs] if run in wanted or group != ANALOGUE]
    measured = {}
    for seed in runs.seeds(name):
        own = stimuli.load(group, name, seed, device=device)
        others = {
            source: stimuli.load(group, source, seed, device=device)
            for source in sources
            if source != name and not runs.unavailable(source) and seed in runs.seeds(source)
        }
        key: dict[str, Any] = {"plan": plan.model_dump(), "size": size.model_dump(), "seed": seed, "device": device}
        key["weights"] = sha256(runs.folder(name) / f"seed{seed}.safetensors")
        key["perturbed"] = {source: sha256(stimuli.path(group, source, seed)) for source in (name, *others)}
        state = work.state_path(f"layers-{name}-seed{seed}", key, code=(measurements, runs, tensors, training))
        saved = work.load_state(state)
        if saved is None:
            index = own["index"]
            fresh = measurements.measure(
                runs.load(name, seed=seed, device=device),
                training.as_float(data.test_images[index]),
                data.test_labels[index],
                own,
                others,
                index=index.cpu(),
                plan=plan,
                size=size,
                seed=seed,
                name=name if name in sources else None,
            )
            saved = measurements.to_state(fresh)
            work.save_state(state, saved)
        measured[seed] = measurements.from_state(saved)
        states.append(state)
    return measured


def write(
    name: str,
    measured: Mapping[int, LayerMeasurements],
    *,
    group: str,
    plan: Activations,
    head: Mapping[str, Any],
    logged: Mapping[str, Any],
) -> None:
    """One network: arrays per seed, curves and metrics of its layers, its accuracy, and pictures."""
    from biorobust.vonenet.model import accuracy

    for seed, one in measured.items():
        write_npz(ARRAYS / group / f"{name}-seed{seed}.npz", one.arrays())
    for table, ending in (("layers", ""), ("matrices", "-matrices"), ("one-image", "-one-image")):
        csv(f"activations/{name}{ending}", [one.tables[table] for one in measured.values()])
    entries = [{"seed": seed, **one.numbers} for seed, one in measured.items()]
    results.write_run("activations", name, settings=logged, **head, **results.per_seed(entries))
    records = {seed: one.tables["records"] for seed, one in measured.items()}
    of_seeds = [table.assign(seed=seed) for seed, table in records.items()]
    write_parquet(RECORDS / f"{name}.parquet", pd.concat(of_seeds, ignore_index=True))
    attacks = accuracy.metrics(records, eps=plan.eps)
    first = next(iter(measured))
    n_images = int(records[first]["index"].nunique())
    results.write_run(
        "attack",
        name,
        settings={"n_images": n_images, "attacks": list(attacks)},
        **head,
        eps=list(plan.eps),
        n_images=n_images,
        attacks=attacks,
        seeds=list(measured),
    )
    for kind, drawn in measured[first].drawn.items():
        write_npz(results.METRICS / f"portraits/{kind}-{name}.npz", drawn)


def write_pair(
    plain: Mapping[int, LayerMeasurements],
    other: Mapping[int, LayerMeasurements],
    *,
    names: tuple[str, str],
    head: Mapping[str, Any],
    logged: Mapping[str, Any],
) -> None:
    """A network with a V1 stage against its baseline."""
    from biorobust.vonenet.model.measurements import compare_with_baseline

    entries, rows = [], []
    for seed in (seed for seed in other if seed in plain):
        numbers, table = compare_with_baseline(plain[seed], other[seed], names=names, seed=seed)
        entries.append({"seed": seed, **numbers})
        rows += table
    csv(f"deviations/{names[1]}", [pd.DataFrame(rows)])
    settings = {**logged, "twin": names[0]}
    results.write_run("deviations", names[1], settings=settings, **head, **results.per_seed(entries))


def csv(name: str, tables: list[pd.DataFrame]) -> None:
    """Write `reports/metrics/<name>.csv`, the tables of all seeds one below the other."""
    write_csv(results.METRICS / f"{name}.csv", pd.concat(tables, ignore_index=True))


def write_v1() -> None:
    """The published V1 stage looking at the first natural image, whether there are networks to put behind it or not."""
    from biorobust import datasets
    from biorobust.vonenet.model import visualisation

    dataset = datasets.load("data/datasets/imagenet_samples.npz")
    first = dataset.test_images[dataset.evaluation[0]]
    write_npz(results.METRICS / "portraits/v1-natural.npz", visualisation.published_v1(first))


if __name__ == "__main__":
    stage_main(main)

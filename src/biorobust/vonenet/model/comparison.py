"""The study's layers: measured network by network, and each network with a V1 stage against its baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from biorobust.core import experiment, results, runs, tensors, training, work
from biorobust.core.devices import pick
from biorobust.core.files import sha256, write_csv, write_npz, write_parquet
from biorobust.core.progress import progress
from biorobust.vonenet.model import measurements, stimuli
from biorobust.vonenet.model.experiments import head_of, weights_of
from biorobust.vonenet.model.measurements import LayerMeasurements
from biorobust.vonenet.model.params import (
    ANALOGUE,
    GROUPS,
    Activations,
    ActivationsSize,
    Perturbations,
    baseline,
    untrained,
)

if TYPE_CHECKING:
    from biorobust.params import Params

RECORDS = Path("data/attacks/vonenet/own")


def compare_layers(group: str, settings: Params) -> None:
    """Measure every network, then compare each that has a V1 stage with its baseline; write metrics."""
    plan = settings.block("vonenet_activations", Activations)
    size = settings.size("vonenet_activations", ActivationsSize)
    listed: Mapping[str, Any] = settings.runs[GROUPS[group].runs]
    attacked: dict[str, Any] = head_of(group, settings)
    said = attacked | {"settings": {"common_eps": plan.common_eps, **size.model_dump()}}
    measured: dict[str, dict[int, LayerMeasurements]] = {}
    for name in progress(listed, label=f"layers of the networks on {GROUPS[group].dataset}", unit="networks"):
        if reason := runs.unavailable(name):
            for kind in ("activations", "riddle", "attack"):
                results.write_unavailable(kind, name, reason=reason, **said)
            continue
        measured[name] = {seed: _measured(group, name, seed, settings) for seed in runs.seeds(name)}
        _write_layers(name, measured[name], **said)
        _write_accuracy(name, measured[name], eps=plan.eps, **attacked)
    for name, of_seeds in measured.items():
        random = measured.get(untrained(name, listed) or "", {})
        outcomes = {seed: measurements.outcomes_of(one, random.get(seed)) for seed, one in of_seeds.items()}
        entries = [
            {"seed": seed, "numbers": {one["id"]: one["numbers"] for one in of_seed}}
            for seed, of_seed in outcomes.items()
        ]
        first = next(iter(outcomes.values()))  # in words; of all seeds the numbers
        results.write_run("riddle", name, **said, outcomes=first, **results.per_seed(entries))
    for name in listed:
        if (plain := baseline(name, listed)) is None:
            continue
        if reason := runs.unavailable(name) or runs.unavailable(plain):
            results.write_unavailable("deviations", name, reason=reason, **said)
            continue
        entries, rows = [], []
        for seed in (seed for seed in measured[name] if seed in measured[plain]):
            pair = measured[plain][seed], measured[name][seed]
            numbers, table = measurements.compare_with_baseline(*pair, names=(plain, name), seed=seed)
            entries.append({"seed": seed, **numbers})
            rows += table
        write_csv(results.METRICS / f"deviations/{name}.csv", pd.DataFrame(rows))
        twin = {"settings": {**said["settings"], "twin": plain}}
        results.write_run("deviations", name, **said | twin, **results.per_seed(entries))
    work.finish(work.states())


def _measured(group: str, name: str, seed: int, settings: Params) -> LayerMeasurements:
    """One seed of one network, taken from an interrupted stage where that has measured it."""
    plan = settings.block("vonenet_activations", Activations)
    size = settings.size("vonenet_activations", ActivationsSize)
    wanted = settings.block("vonenet_perturbations", Perturbations).sources
    sources = [run for run in settings.runs[GROUPS[group].runs] if run in wanted or group != ANALOGUE]
    shown = [run for run in dict.fromkeys([name, *sources]) if not runs.unavailable(run) and seed in runs.seeds(run)]
    images, device = experiment.load(GROUPS[group].dataset).test_images, pick()
    perturbed: dict[str, measurements.Perturbed]
    perturbed = {run: stimuli.load(group, run, seed, device=device) for run in shown}
    key: dict[str, Any] = {"plan": plan.model_dump(), "size": size.model_dump(), "seed": seed, "device": device}
    key["weights"] = weights_of(name, seed)
    key["perturbed"] = {run: sha256(stimuli.path(group, run, seed)) for run in shown}
    state = work.state_path(f"layers-{name}-seed{seed}", key, code=(measurements, runs, tensors, training))
    saved = work.load_state(state)
    if saved is None:
        own, itself = perturbed.pop(name), name if name in sources else None
        model, clean = runs.load(name, seed=seed, device=device), training.as_float(images[own["index"]])
        fresh = measurements.measure(model, clean, own, perturbed, plan=plan, size=size, seed=seed, name=itself)
        saved = measurements.to_state(fresh)
        work.save_state(state, saved)
    return measurements.from_state(saved)


def _write_layers(name: str, measured: Mapping[int, LayerMeasurements], **head: Any) -> None:
    curves = pd.concat([one.tables["layers"] for one in measured.values()], ignore_index=True)
    write_csv(results.METRICS / f"activations/{name}.csv", curves)
    entries = [{"seed": seed, **one.numbers} for seed, one in measured.items()]
    results.write_run("activations", name, **head, **results.per_seed(entries))
    write_npz(results.METRICS / f"portraits/perturbed-{name}.npz", next(iter(measured.values())).drawn)


def _write_accuracy(name: str, measured: Mapping[int, LayerMeasurements], *, eps: Sequence[float], **head: Any) -> None:
    """One record per perturbed image, and metrics."""
    records = {seed: one.tables["records"] for seed, one in measured.items()}
    of_seeds = pd.concat([table.assign(seed=seed) for seed, table in records.items()], ignore_index=True)
    write_parquet(RECORDS / f"{name}.parquet", of_seeds)
    attacks, n_images = stimuli.attack_metrics(records, eps=eps), int(of_seeds["index"].nunique())
    head |= {"settings": {"n_images": n_images, "attacks": list(attacks)}, "eps": list(eps), "n_images": n_images}
    results.write_run("attack", name, **head, attacks=attacks, seeds=list(measured))

"""Compare the layers of networks with and without a V1 stage between clean and perturbed images."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biorobust import params
from biorobust.core import places, work
from biorobust.core.devices import pick
from biorobust.core.files import sha256, write_npz, write_parquet
from biorobust.vonenet.model import groups
from biorobust.vonenet.model.params import Activations, ActivationsSize, Perturbations
from stages.common import run_info, stage_main

if TYPE_CHECKING:
    from biorobust.vonenet.model.reading import Reading

ARRAYS = Path("data/activations/vonenet")
STUDY = "vonenet"


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
    with run_info("activations_vonenet"), places.together("vonenet"):
        for group in groups.GROUPS:
            activations(group, settings=settings, plan=plan, size=size)
        write_v1()


def activations(group: str, *, settings: params.Params, plan: Activations, size: ActivationsSize) -> None:
    """Read every network, then compare each that has a V1 stage with its plain twin; write arrays and metrics."""
    from biorobust.core import results
    from biorobust.core.progress import progress

    (ARRAYS / group).mkdir(parents=True, exist_ok=True)  # an out has to be there, with no network in it too
    runs = settings.runs[groups.GROUPS[group].runs]
    dataset = groups.GROUPS[group].dataset
    shown = {"common_eps": plan.common_eps, **vars(size)}
    head = {"study": STUDY, "scale": settings.scale, "dataset": dataset}
    readings: dict[str, dict[int, Reading]] = {}
    states: list[Path] = []
    for name in progress(runs, label=f"layers of the networks on {dataset}", unit="networks"):
        if reason := groups.unavailable(name):
            for kind in ("activations", "riddle", "attack"):
                results.write_unavailable(kind, name, reason=reason, settings=shown, **head)
            continue
        readings[name] = read_run(group, name, settings=settings, plan=plan, size=size, states=states)
        write(name, readings[name], group=group, plan=plan, head=head, shown=shown)
    for name in readings:
        write_riddle(name, readings, untrained=groups.untrained(name, runs), head=head, shown=shown)
    for name in runs:
        twin = groups.twin(name, runs)
        if twin is None:
            continue
        missing = next((other for other in (name, twin) if other not in readings), None)
        if missing:
            reason = str(groups.unavailable(missing))
            results.write_unavailable("deviations", name, reason=reason, settings=shown, **head)
        else:
            write_pair(name, twin, readings, head=head, shown=shown)
    work.finish(states)


def read_run(
    group: str, name: str, *, settings: params.Params, plan: Activations, size: ActivationsSize, states: list[Path]
) -> dict[int, Reading]:
    """Every seed of one network; what a restart need not read again is kept in files, which are added to `states`."""

    from biorobust import datasets
    from biorobust.core import runs, tensors, training
    from biorobust.vonenet.model import kept, reading

    device = pick()
    stored = datasets.load(f"data/datasets/{groups.GROUPS[group].dataset}.npz")
    data = tensors.as_tensors(stored, n_train=1, device=device)
    listed = settings.runs[groups.GROUPS[group].runs]
    wanted = settings.block("vonenet_perturbations", Perturbations).sources
    sources = [source for source in listed if source in wanted or group != groups.ANALOGUE]
    found = {}
    for seed in runs.seeds(name):
        made = groups.perturbed(group, name, seed, device=device)
        others = {
            source: groups.perturbed(group, source, seed, device=device)
            for source in sources
            if source != name and not groups.unavailable(source) and seed in runs.seeds(source)
        }
        index = made["index"]
        key = {"plan": plan.model_dump(), "size": size.model_dump(), "seed": seed, "device": device}
        key["weights"] = sha256(runs.folder(name) / f"seed{seed}.safetensors")
        key["perturbed"] = {source: sha256(groups.file_of(group, source, seed)) for source in (name, *others)}
        state = work.state_path(f"read-{name}-seed{seed}", key, code=(reading, kept, runs, tensors, training))
        saved = work.load_state(state)
        if saved is None:
            fresh = reading.read(
                runs.load(name, seed=seed, device=device),
                training.as_float(data.test_images[index]),
                data.test_labels[index],
                made,
                others,
                index=index.cpu(),
                plan=plan,
                size=size,
                seed=seed,
                name=name if name in sources else None,
            )
            saved = kept.packed(fresh)
            work.save_state(state, saved)
        found[seed] = kept.unpacked(saved)
        states.append(state)
    return found


def write(
    name: str,
    found: dict[int, Reading],
    *,
    group: str,
    plan: Activations,
    head: dict[str, str],
    shown: dict[str, Any],
) -> None:
    """One network: arrays per seed, curves, metrics of its layers, the riddle and its accuracy, and pictures."""
    import pandas as pd

    from biorobust.core import results
    from biorobust.vonenet.model import accuracy

    for seed, reading in found.items():
        arrays = {"index": reading.index, "size": reading.size}
        arrays |= {
            f"{noise}/{kind}/{statistic}": values
            for noise, deviations in reading.found.items()
            for kind, statistics in deviations.sets.items()
            for statistic, values in statistics.items()
        }
        write_npz(ARRAYS / group / f"{name}-seed{seed}.npz", arrays)
    csv(f"activations/{name}", [row for reading in found.values() for row in reading.table])
    csv(f"activations/{name}-matrices", [row for reading in found.values() for row in reading.matrices])
    single = [{"seed": seed, **row} for seed, reading in found.items() for row in reading.one_image]
    csv(f"activations/{name}-one-image", single)
    entries = [{"seed": seed, **reading.numbers} for seed, reading in found.items()]
    results.write_run("activations", name, settings=shown, **head, **results.per_seed(entries))
    first = next(iter(found.values()))
    tables = [reading.records.assign(seed=seed) for seed, reading in found.items()]
    write_parquet(groups.RECORDS / f"{name}.parquet", pd.concat(tables, ignore_index=True))
    attacks = accuracy.metrics({seed: reading.records for seed, reading in found.items()}, eps=plan.eps)
    n_images = int(first.records["index"].nunique())
    results.write_run(
        "attack",
        name,
        settings={"n_images": n_images, "attacks": list(attacks)},
        **head,
        eps=list(plan.eps),
        n_images=n_images,
        attacks=attacks,
        seeds=list(found),
    )
    for kind, drawn in first.drawn.items():
        write_npz(results.METRICS / f"portraits/{kind}-{name}.npz", drawn)


def write_riddle(
    name: str,
    readings: dict[str, dict[int, Reading]],
    *,
    untrained: str | None,
    head: dict[str, str],
    shown: dict[str, Any],
) -> None:
    """What the tests of the zero-deviation hypotheses gave: in words for the first seed, the numbers for all."""
    from biorobust.core import results
    from biorobust.vonenet.model import explanations
    from biorobust.vonenet.model.conditions import NONE
    from biorobust.vonenet.model.layers import CONV
    from biorobust.vonenet.model.shown import OWN

    outcomes = {}
    for seed, reading in readings[name].items():
        outcomes[seed] = list(reading.outcomes)
        if untrained in readings and seed in readings[untrained]:
            curves = (one.found[NONE].of(OWN, "raw", CONV) for one in (reading, readings[untrained][seed]))
            outcomes[seed].append(asdict(explanations.learned(reading.names, *curves)))
    numbers = [
        {"seed": seed, "numbers": {outcome["id"]: outcome["numbers"] for outcome in of_seed}}
        for seed, of_seed in outcomes.items()
    ]
    first = next(iter(outcomes.values()))
    results.write_run("riddle", name, settings=shown, **head, outcomes=first, **results.per_seed(numbers))


def write_pair(
    name: str, twin: str, readings: dict[str, dict[int, Reading]], *, head: dict[str, str], shown: dict[str, Any]
) -> None:
    """A network with a V1 stage against its plain twin."""
    from biorobust.core import results
    from biorobust.vonenet.model import twins

    entries, rows = [], []
    for seed in (seed for seed in readings[name] if seed in readings[twin]):
        numbers, table = twins.compared(readings[twin][seed], readings[name][seed], names=(twin, name), seed=seed)
        entries.append({"seed": seed, **numbers})
        rows += table
    csv(f"deviations/{name}", rows)
    results.write_run("deviations", name, settings=shown | {"twin": twin}, **head, **results.per_seed(entries))


def csv(name: str, rows: list[dict[str, Any]]) -> None:
    """Write `reports/metrics/<name>.csv`."""
    import pandas as pd

    from biorobust.core import results
    from biorobust.core.files import write_csv

    write_csv(results.METRICS / f"{name}.csv", pd.DataFrame(rows))


def write_v1() -> None:
    """The published V1 stage looking at the first natural image, whether there are networks to put behind it or not."""
    import torch

    from biorobust import datasets
    from biorobust.core import results
    from biorobust.core.tensors import as_tensors
    from biorobust.core.training import as_float
    from biorobust.vonenet import VOneBlock
    from biorobust.vonenet.model import portraits
    from biorobust.vonenet.model.models import Resize

    dataset = datasets.load("data/datasets/imagenet_samples.npz")
    data = as_tensors(dataset, n_train=1, device="cpu")
    block = VOneBlock()
    first = as_float(data.test_images[torch.from_numpy(dataset.evaluation[:1].copy())])
    image = Resize(224)(first).clamp(0, 1)[0]
    write_npz(results.METRICS / "portraits/v1-natural.npz", portraits.v1_stage(block, image))


if __name__ == "__main__":
    stage_main(main)

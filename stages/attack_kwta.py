"""Attack the cells of a k-WTA run in both threat models: `python -m stages.attack_kwta scratch-kwta`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biorobust import params
from biorobust.core import places
from biorobust.core.devices import pick
from biorobust.core.files import read_json, sha256, write_parquet
from biorobust.kwta.model.params import FAST, AttackedSize, Attacks, Probe, ProbeSize
from stages.common import run_info, stage_main
from stages.train_kwta import group, row_cells

REENCODED = ("cifar10",)  # the data set whose mirror holds JPEG files


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", help="relu, kwta or kwta-low, or an entry of kwta_runs in params.yaml")
    parser.add_argument("--cell", help="attack this one only, and write nothing but its state, for the stage to find")
    arguments = parser.parse_args(argv)
    settings = params.load()
    cells = {name: dataset for name, (_, (_, dataset)) in row_cells(arguments.row, settings=settings).items()}
    if arguments.cell is not None:
        if arguments.cell not in cells:
            raise params.ParamsError(f"cell {arguments.cell!r}: unknown; {arguments.row} has {', '.join(cells)}")
        attack(arguments.cell, dataset_name=cells[arguments.cell], settings=settings, write=False)
        return
    from biorobust.core import work
    from biorobust.core.progress import progress

    with run_info(f"attack_kwta@{arguments.row}"), places.together(f"{group(arguments.row)}-attacked"):
        states: list[Path] = []
        for name, dataset in progress(cells.items(), label=f"attacks on {arguments.row}", unit="cells"):
            states += attack(name, dataset_name=dataset, settings=settings)
        work.finish(states)


def _record(name: str) -> Path:
    return places.to_write(places.RECORDS / "kwta") / f"{name}.parquet"


def attack(name: str, *, dataset_name: str, settings: params.Params, write: bool = True) -> list[Path]:
    """Attack every seed of a cell, probe it, and write its record and metrics; returns the files its states lie in."""
    import pandas as pd
    import torch

    from biorobust import datasets
    from biorobust.attacks.records import COLUMNS
    from biorobust.core import runs
    from biorobust.core.tensors import as_tensors
    from biorobust.core.training import as_float
    from biorobust.kwta.model import attacking

    plan, probe = settings.block("kwta_attack", Attacks), settings.block("kwta_probe", Probe)
    probed = settings.size("kwta_probe", ProbeSize)
    trained = read_json(places.find(places.METRICS, f"train/{name}.json"))
    if trained["settings"]["network"] == FAST:  # it sees the image as it is, so there is no resized tensor to attack
        plan = plan.model_copy(update={"resized_attacks": ()})
    eps = plan.eps(dataset_name)
    size = settings.size("kwta_attack", AttackedSize)
    shown = trained["settings"] | {
        "n_images": size.attacked(dataset_name),
        "n_reencoded": size.n_reencoded,
        "attacks": list(plan.attacks),
        "resized_attacks": list(plan.resized_attacks),
        "eps": eps,
    }
    if trained["status"] != "ok":
        if write:
            write_parquet(_record(name), pd.DataFrame(columns=[*COLUMNS, "seed"]))
            _write(name, settings, dataset_name, shown, {"status": "unavailable", "reason": trained["reason"]})
        return []
    device = pick()
    dataset = datasets.load(f"data/datasets/{dataset_name}.npz")
    data = as_tensors(dataset, n_train=1, device=device)
    index = dataset.evaluation[: size.attacked(dataset_name)]
    chosen = torch.from_numpy(index.copy()).to(device)
    again_at = torch.from_numpy(dataset.evaluation[: size.n_reencoded].copy()).to(device)
    tables, summaries, again, states = [], {}, [], []
    found: dict[str, Any] = {
        "discontinuity": probe.model_dump()
        | {"n_lines": min(probed.n_lines, len(index)), "per_seed": [], "by_gamma": []},
        "patterns": {"sizes": attacking.pattern_sizes(eps), "n_images": min(probed.n_patterns, len(index))}
        | {"per_seed": [], "by_gamma": []},
    }
    for seed in runs.seeds(name):
        victim = attacking.Victim(
            name=name,
            model=runs.load(name, seed=seed, device=device),
            images=as_float(data.test_images[chosen]),
            labels=data.test_labels[chosen],
            index=index,
            eps=eps,
            seed=seed,
            key={
                "weights": sha256(runs.folder(name) / f"seed{seed}.safetensors"),
                "model": read_json(runs.folder(name) / "model.json"),
                "data": trained["dataset"]["sha256"],
                "device": device,
            },
        )
        table, done = attacking.attack(victim, plan)
        states += done
        tables.append(table.assign(seed=seed))
        summaries[seed] = attacking.counts(table, eps=eps)
        if dataset_name in REENCODED:
            row, state = attacking.reencoded(
                victim, plan, table, test_images=data.test_images[again_at], test_labels=data.test_labels[again_at]
            )
            again.append(row)
            states.append(state)
        probes, state = attacking.probe(victim, probe, probed)
        for kind, of_seed in probes.items():
            found[kind]["per_seed"].append({"seed": seed, **of_seed["own"]})
            found[kind]["by_gamma"] += [{"seed": seed, **row} for row in of_seed["by_gamma"]]
        states.append(state)
    if not write:
        return states
    write_parquet(_record(name), pd.concat(tables, ignore_index=True))
    way = {"quality": plan.jpeg_quality, "shift": attacking.GRID_SHIFT, "attack": plan.reencoded_attack}
    reencoded = way | {"per_seed": again} if again else None
    found |= {
        "eps": [eps],
        "n_images": len(index),
        "attacks": {
            key: {
                "about": attacking.about(key),
                "per_seed": [{"seed": seed, **summaries[seed][key]} for seed in summaries],
            }
            for key in next(iter(summaries.values()))
        },
        "seeds": list(summaries),
        "reencoded": reencoded,
    }
    _write(name, settings, dataset_name, shown | {"n_images": len(index)}, found)
    return states


def _write(
    name: str, settings: params.Params, dataset: str, shown: Mapping[str, Any], found: Mapping[str, Any]
) -> None:
    from biorobust.core import results

    results.write_run("attack", name, study="kwta", scale=settings.scale, dataset=dataset, settings=shown, **found)


if __name__ == "__main__":
    stage_main(main)

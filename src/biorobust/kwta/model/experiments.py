"""The study's runs: a cell trained, a cell attacked in both threat models, an ablation trained and attacked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from biorobust.attacks import records
from biorobust.core import experiment, places, results, runs
from biorobust.core.devices import pick
from biorobust.core.files import read_json, sha256, write_parquet
from biorobust.core.intervals import wilson
from biorobust.core.training import Trained, as_float
from biorobust.kwta.model import attacking, params, training, weights
from biorobust.kwta.model.attacking import Victim
from biorobust.kwta.model.params import ARCHITECTURE, CURVE_COLUMNS, FAST, Recipe
from biorobust.networks.weights import Unavailable

if TYPE_CHECKING:
    from biorobust.params import Params

REENCODED = ("cifar10",)  # the data set whose mirror holds JPEG files


def train_cell(name: str, recipe: Recipe, settings: Params) -> str:
    """Train a cell's seeds and write its checkpoints, metrics and curves; gives why it cannot be had, "" if it can."""
    data = experiment.load(recipe.dataset, n_train=recipe.n_train)
    recipe = training.fitted_recipe(recipe, data)

    def train(seed: int) -> Trained:
        # A recorded run says what it began from, and a training is never continued from the weights of another source.
        began = {}
        if recipe.source:
            began = {"source_sha256": sha256(weights.checkpoint(recipe.source, seed=seed))}
        trained = training.train(name, recipe, data, seed=seed, state=_state(name, recipe, seed, **began))
        return replace(trained, entry=trained.entry | began)

    try:
        experiment.train_seeds(
            name,
            train,
            seeds=settings.seeds(settings.size("kwta_training", params.TrainingSize).seeds),
            architecture=ARCHITECTURE,
            study="kwta",
            scale=settings.scale,
            dataset=recipe.dataset,
            settings=recipe.model_dump(),
            columns=CURVE_COLUMNS,
            about=lambda model: {"n_steps": training.n_steps(recipe), **experiment.sized(model)},
        )
    except Unavailable as error:
        print(f"{name} is unavailable: {error}", file=sys.stderr)
        return str(error)
    return ""


def _state(name: str, recipe: Recipe, seed: int, **also: Any) -> Path:
    key, code = recipe.model_dump() | also, (training,)
    return experiment.state_path(name, key, seed=seed, dataset=recipe.dataset, code=code)


def attack_cell(name: str, dataset: str, settings: Params) -> None:
    plan, size = settings.block("kwta_attack", params.Attacks), settings.size("kwta_attack", params.AttackedSize)
    probe, probed = settings.block("kwta_probe", params.Probe), settings.size("kwta_probe", params.ProbeSize)
    trained = read_json(places.find(places.METRICS, f"train/{name}.json"))
    if trained["settings"]["network"] == FAST:  # it sees the image as it is, so there is no resized tensor to attack
        plan = plan.model_copy(update={"resized_attacks": ()})
    eps, unavailable = plan.eps(dataset), trained["status"] != "ok"
    data = experiment.load(dataset)
    index, images, labels = data.evaluated(size.attacked(dataset))
    again = data.evaluation[: size.n_reencoded]
    tables, counted, reencoded = [], {}, []
    jumps: dict[str, Any] = probe.model_dump() | {"n_lines": min(probed.n_lines, len(index))}
    jumps |= {"per_seed": [], "by_gamma": []}
    for seed in runs.seeds(name):
        victim = Victim(
            name=name,
            model=runs.load(name, seed=seed, device=pick()),
            images=images,
            labels=labels,
            index=index.cpu().numpy(),
            eps=eps,
            seed=seed,
            key={
                "weights": sha256(runs.folder(name) / f"seed{seed}.safetensors"),
                "model": read_json(runs.folder(name) / "model.json"),
                "data": trained["dataset"]["sha256"],
                "device": pick(),
            },
        )
        table = attacking.attack(victim, plan)
        tables.append(table.assign(seed=seed))
        counted[seed] = attacking.counts(table, eps=eps)
        if dataset in REENCODED:
            tested = {"test_images": data.test_images[again], "test_labels": data.test_labels[again]}
            reencoded.append(attacking.reencoded(victim, plan, table, **tested))
        of_seed = attacking.probe(victim, probe, probed)
        jumps["per_seed"].append({"seed": seed, **of_seed["own"]})
        jumps["by_gamma"] += [{"seed": seed, **row} for row in of_seed["by_gamma"]]
    way = {"quality": plan.jpeg_quality, "shift": attacking.GRID_SHIFT, "attack": plan.reencoded_attack}
    body: dict[str, Any] = {
        "discontinuity": jumps,
        "eps": [eps],
        "n_images": len(index),
        "attacks": records.by_attack(counted, about=attacking.about),
        "seeds": list(counted),
        "reencoded": way | {"per_seed": reencoded} if reencoded else None,
    }
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*records.COLUMNS, "seed"])
    write_parquet(places.to_write(places.RECORDS / "kwta") / f"{name}.parquet", table)
    results.write_run(
        "attack",
        name,
        study="kwta",
        scale=settings.scale,
        dataset=dataset,
        settings=trained["settings"]
        | {
            "n_images": size.attacked(dataset) if unavailable else len(index),
            "n_reencoded": size.n_reencoded,
            "attacks": list(plan.attacks),
            "resized_attacks": list(plan.resized_attacks),
            "eps": eps,
        },
        **({"status": {"status": "unavailable"}, "reason": trained["reason"]} if unavailable else body),
    )


def ablate(
    name: str, recipe: Recipe, n_seeds: int, settings: Params
) -> tuple[Recipe, int, dict[str, Any], list[Mapping[str, Any]]]:
    """Train and attack the seeds of one ablation.

    Returns its recipe fitted to the data, the number of test images, what came out (or the `reason` why nothing did),
    and the rows of its curves.
    """
    plan = settings.block("kwta_incremental", params.Incremental)
    size = settings.size("kwta_ablation", params.AblationSize)
    attack = settings.block("kwta_ablation", params.Ablation).attack
    eps = settings.block("kwta_attack", params.Attacks).eps(recipe.dataset)
    data = experiment.load(recipe.dataset, n_train=recipe.n_train)
    tested = data.evaluation[: size.n_test]
    in_order = torch.arange(len(tested), device=tested.device)
    images, labels = data.test_images[tested], data.test_labels[tested]
    data = replace(data, test_images=images, test_labels=labels, evaluation=in_order)
    recipe = training.fitted_recipe(recipe, data)
    n = min(size.n_images, len(tested))
    entries, robust = [], []
    rows: list[Mapping[str, Any]] = []
    for seed in settings.seeds(min(n_seeds, size.seeds)):
        state = _state(name, recipe, seed, plan=plan.model_dump())
        try:
            trained = training.train(name, recipe, data, seed=seed, plan=plan, state=state)
        except Unavailable as error:
            return recipe, len(tested), {"reason": str(error)}, []
        victim = Victim(
            name=name,
            model=trained.model.eval().requires_grad_(False),
            images=as_float(images[:n]),
            labels=labels[:n],
            index=np.arange(n),
            eps=eps,
            seed=seed,
            key={"training": sha256(state), "device": pick()},
        )
        found = attacking.counts(attacking.attacked(victim, [attack]), eps=eps)[attack]
        some = {key: found[key] for key in ("nonfinite_gradient",) if key in found}
        robust.append({"seed": seed, "n": found["n"], "correct": found["correct"][0], **some})
        entries.append(trained.entry)
        rows += trained.curve
    broken = sum(entry["collapsed"] or entry["diverged"] for entry in entries)
    outcome = {
        "accuracy": results.over_seeds(entries),
        "collapses": {"collapsed": broken, "n_seeds": len(entries), "wilson": wilson(broken, len(entries))},
        "n_steps": training.n_steps(recipe),
        **results.per_seed(entries),
        "robust": {"attack": attack, "eps": eps, "per_seed": robust},
    }
    return recipe, len(tested), outcome, rows

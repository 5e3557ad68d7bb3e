"""Perturb images against every network with or without a V1 stage.

A stage of its own, because each network's layers are measured on the perturbed images of others too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from biorobust import params
from biorobust.core import results, runs, work
from biorobust.core.devices import pick
from biorobust.core.files import sha256, write_tensors
from biorobust.vonenet.model.params import GROUPS, Perturbations, PerturbationsSize
from stages.common import run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(prog="python -m stages.perturb_vonenet", description=__doc__).parse_args(argv)
    settings = params.load()
    plan = settings.block("vonenet_perturbations", Perturbations)
    size = settings.size("vonenet_perturbations", PerturbationsSize)
    with run_info("perturb_vonenet"):
        for group in GROUPS:
            perturb(group, settings=settings, plan=plan, n_images=size.n_images)


def perturb(group: str, *, settings: params.Params, plan: Perturbations, n_images: int) -> None:
    """Perturb the same images against every seed of every network; write them, and metrics of the attacks."""
    import torch

    from biorobust import datasets
    from biorobust.core.tensors import as_tensors
    from biorobust.core.training import as_float
    from biorobust.vonenet.model import stimuli

    device = pick()
    dataset_name = GROUPS[group].dataset
    dataset = datasets.load(f"data/datasets/{dataset_name}.npz")
    data = as_tensors(dataset, n_train=1, device=device)
    index = torch.from_numpy(dataset.evaluation[:n_images].copy())
    images, labels = as_float(data.test_images[index.to(device)]), data.test_labels[index.to(device)]
    logged = {key: value for key, value in vars(plan).items() if key != "sources"} | {"n_images": len(images)}
    head: dict[str, Any] = {"study": "vonenet", "scale": settings.scale, "dataset": dataset_name, "settings": logged}
    states = []
    (stimuli.FOLDER / group).mkdir(parents=True, exist_ok=True)  # an out has to be there, with no network in it too
    listed: Mapping[str, Any] = settings.runs[GROUPS[group].runs]
    for name, run in listed.items():
        if reason := runs.unavailable(name):
            results.write_unavailable("perturb", name, reason=reason, **head)
            continue
        entries = []
        for seed in runs.seeds(name):
            weights = sha256(runs.folder(name) / f"seed{seed}.safetensors")
            key = logged | {"seed": seed, "device": device, "trained": run.trained, "weights": weights}
            state = work.state_path(f"perturb-{name}-seed{seed}", key, code=(sys.modules[__name__],))
            saved = work.load_state(state)
            if saved is None:
                model = runs.load(name, seed=seed, device=device)
                label = f"DeepFool against {name}, seed {seed}"
                tensors, entry = stimuli.perturb(
                    model, images, labels, plan=plan, trained=run.trained, seed=seed, label=label
                )
                saved = {"tensors": tensors, "entry": entry}
                work.save_state(state, saved)
            write_tensors(stimuli.path(group, name, seed), saved["tensors"] | {"index": index})
            entries.append({"seed": seed} | saved["entry"])
            states.append(state)
        results.write_run("perturb", name, **head, n_images=len(images), **results.per_seed(entries))
    work.finish(states)


if __name__ == "__main__":
    stage_main(main)

"""Perturb images against every network with or without a V1 stage.

A stage of its own, because each network's layers are read on the perturbed images of others too.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from biorobust import params
from biorobust.core import work
from biorobust.core.devices import pick
from biorobust.core.files import sha256, write_tensors
from biorobust.vonenet.model import groups
from biorobust.vonenet.model.params import Perturbations, PerturbationsSize
from stages.common import run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(prog="python -m stages.perturb_vonenet", description=__doc__).parse_args(argv)
    settings = params.load()
    plan = settings.block("vonenet_perturbations", Perturbations)
    size = settings.size("vonenet_perturbations", PerturbationsSize)
    with run_info("perturb_vonenet"):
        for group in groups.GROUPS:
            perturb(group, settings=settings, plan=plan, n_images=size.n_images)


def perturb(group: str, *, settings: params.Params, plan: Perturbations, n_images: int) -> None:
    """Perturb the same images against every seed of every network; write them, and metrics of the attacks."""
    import torch

    from biorobust import datasets
    from biorobust.core import results, runs
    from biorobust.core.tensors import as_tensors
    from biorobust.core.training import as_float

    device = pick()
    dataset_name = groups.GROUPS[group].dataset
    dataset = datasets.load(f"data/datasets/{dataset_name}.npz")
    data = as_tensors(dataset, n_train=1, device=device)
    index = torch.from_numpy(dataset.evaluation[:n_images].copy())
    images, labels = as_float(data.test_images[index.to(device)]), data.test_labels[index.to(device)]
    shown = {key: value for key, value in vars(plan).items() if key != "sources"} | {"n_images": len(images)}
    states = []
    (groups.PERTURBED / group).mkdir(parents=True, exist_ok=True)  # an out has to be there, with no network in it too
    for name, run in settings.runs[groups.GROUPS[group].runs].items():
        head: dict[str, Any] = {"study": "vonenet", "scale": settings.scale, "dataset": dataset_name}
        head |= {"settings": shown}
        if reason := groups.unavailable(name):
            results.write_unavailable("perturb", name, reason=reason, **head)
            continue
        entries = []
        for seed in runs.seeds(name):
            made, entry, state = perturb_seed(
                name, images, labels, seed=seed, plan=plan, trained=getattr(run, "trained", True), shown=shown
            )
            write_tensors(groups.file_of(group, name, seed), made | {"index": index})
            entries.append({"seed": seed} | entry)
            states.append(state)
        results.write_run("perturb", name, **head, n_images=len(images), **results.per_seed(entries))
    work.finish(states)


def perturb_seed(
    name: str,
    images: Any,
    labels: Any,
    *,
    seed: int,
    plan: Perturbations,
    trained: bool,
    shown: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """The perturbed images of one network by role, what the metrics say of them, and the state a restart reads."""
    import torch

    from biorobust.core import runs
    from biorobust.vonenet.model import conditions, perturb

    model = runs.load(name, seed=seed, device=str(images.device))
    weights = sha256(runs.folder(name) / f"seed{seed}.safetensors")
    key = shown | {"seed": seed, "device": str(images.device), "trained": trained, "weights": weights}
    state = work.state_path(f"perturb-{name}-seed{seed}", key, code=(sys.modules[__name__],))
    saved = work.load_state(state)
    if saved is None:
        saved = {"entry": {}}
        clean = conditions.said(model, images, draws=plan.draws, seed=seed)
        answers = conditions.majority(clean)
        # A network that is right about hardly any image has no answers to lose: its own take their place.
        entered = answers == labels
        by_labels = trained and int(entered.sum()) >= groups.FEWEST
        entered = entered if by_labels else torch.ones_like(entered)
        saved["tensors"] = {"labels": labels, "answers": answers, "entered": entered}
        saved["entry"] |= {"n": len(images), "entered": int(entered.sum()), "by_labels": by_labels}
        noises = (conditions.FROZEN, conditions.LIVE) if conditions.stochastic(model) else (conditions.NONE,)
        for noise in noises:
            label = f"DeepFool against {name}, seed {seed}, noise {noise}"
            crafted = perturb.deepfooled(model, images, answers, plan=plan, noise=noise, seed=seed, label=label)
            fresh = conditions.said(model, crafted.images, draws=plan.draws, seed=seed + 1)
            role = "live" if noise == conditions.LIVE else "own"
            saved["tensors"] |= {role: crafted.images, f"{role}_success": crafted.success}
            saved["entry"][role] = {"noise": noise} | perturb.described(images, crafted, fresh, answers, entered)
        work.save_state(state, saved)
    return saved["tensors"], saved["entry"], state


if __name__ == "__main__":
    stage_main(main)

"""The study's runs before any layer is read: networks taken over, and images perturbed against every network."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from biorobust.core import experiment, results, runs, tensors, work
from biorobust.core.devices import pick
from biorobust.core.errors import BiorobustError
from biorobust.core.files import sha256, write_tensors
from biorobust.networks import weights
from biorobust.vonenet.model import evaluation, models, stimuli
from biorobust.vonenet.model.params import GROUPS, ImagenetRun, Perturbations, PerturbationsSize

if TYPE_CHECKING:
    from biorobust.params import Params

IMPORTED = 0  # the seed of a network that was trained once, elsewhere


def take_over(name: str, settings: Params) -> None:
    """Write the checkpoint of a network trained elsewhere and what it gets right, or why there is none."""
    group = GROUPS["imagenet"]
    run = settings.run(group.runs, name, ImagenetRun)
    head: dict[str, Any] = head_of("imagenet", settings)
    try:
        path = weights.find(run.file)
    except weights.Unavailable as error:
        runs.save_unavailable(name, architecture="vonenet", reason=str(error))
        results.write_unavailable("train", name, reason=str(error), settings=run.model_dump(), **head)
        print(f"{name} is unavailable: {error}", file=sys.stderr)
        return
    data = experiment.load(group.dataset)
    config, state = models.READERS[run.method](path)
    if config["n_classes"] != data.n_classes:
        raise BiorobustError(
            f"{path} tells {config['n_classes']} classes apart, {group.dataset} has {data.n_classes}: "
            f"name a network trained on ImageNet ({group.runs}.{name}.file)"
        )
    model = models.filled(path, config, state).to(data.test_labels.device)
    entry = evaluation.seed_entry(IMPORTED, model, data.test_images, data.test_labels, batch_size=32)
    runs.save(name, {IMPORTED: model}, architecture="vonenet", configs={IMPORTED: config})
    results.write_run(
        "train",
        name,
        **head,
        settings=run.model_dump() | {"sha256": sha256(path)} | config,
        accuracy=results.over_seeds([entry]),
        **experiment.sized(model),
        **results.per_seed([entry]),
    )


def perturb(group: str, settings: Params) -> None:
    """Perturb the same images against every seed of every network; write them, and metrics of the attacks."""
    plan = settings.block("vonenet_perturbations", Perturbations)
    n_images = settings.size("vonenet_perturbations", PerturbationsSize).n_images
    listed: Mapping[str, Any] = settings.runs[GROUPS[group].runs]
    device = pick()
    index, images, labels = experiment.load(GROUPS[group].dataset).evaluated(n_images)
    logged = plan.model_dump(exclude={"sources"}) | {"n_images": len(images)}
    head: dict[str, Any] = head_of(group, settings) | {"settings": logged}
    (stimuli.FOLDER / group).mkdir(parents=True, exist_ok=True)  # an out has to be there, with no network in it too
    for name, run in listed.items():
        if reason := runs.unavailable(name):
            results.write_unavailable("perturb", name, reason=reason, **head)
            continue
        entries = []
        for seed in runs.seeds(name):
            key = logged | {"seed": seed, "device": device, "trained": run.trained, "weights": weights_of(name, seed)}
            state = work.state_path(f"perturb-{name}-seed{seed}", key, code=(stimuli, runs, tensors))
            saved = work.load_state(state)
            if saved is None:
                model, said = runs.load(name, seed=seed, device=device), f"DeepFool against {name}, seed {seed}"
                saved = stimuli.perturb(model, images, labels, plan=plan, trained=run.trained, seed=seed, label=said)
                work.save_state(state, saved)
            write_tensors(stimuli.path(group, name, seed), saved["tensors"] | {"index": index})
            entries.append({"seed": seed} | saved["entry"])
        results.write_run("perturb", name, **head, n_images=len(images), **results.per_seed(entries))
    work.finish(work.states())


def head_of(group: str, settings: Params) -> dict[str, str]:
    return {"study": "vonenet", "scale": settings.scale, "dataset": GROUPS[group].dataset}


def weights_of(name: str, seed: int) -> str:
    return sha256(runs.folder(name) / f"seed{seed}.safetensors")

"""What feedback makes of attacked letters, cycle by cycle: `python -m stages.cnnf_pictures cnn-feedback`.

For a run of cnnf_runs that has been attacked. Pictures are of its first seed, of the letters of
pictures/adversarial-<run>.npz; numbers are of all seeds and of as many letters as are attacked.
"""

from __future__ import annotations

import argparse

from biorobust import params
from biorobust.cnnf.model import params as study
from biorobust.core.attack_plan import AttackSize
from biorobust.core.devices import pick
from biorobust.core.files import write_npz
from stages.common import run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="an entry of cnnf_runs in params.yaml")
    name = parser.parse_args(argv).run
    settings = params.load()
    settings.run("cnnf_runs", name, study.NetworkRun)
    with run_info(f"cnnf_pictures@{name}"):
        reconstruct(name, settings=settings)


def reconstruct(name: str, *, settings: params.Params) -> None:
    """Write pictures/adversarial-reconstructions-<run>.npz and probe/<run>.json."""
    import numpy as np
    import torch

    from biorobust import datasets
    from biorobust.cnnf.model import evaluation, probe
    from biorobust.cnnf.model.network import FeedbackNetwork
    from biorobust.core import results, runs
    from biorobust.core.tensors import as_tensors
    from biorobust.core.training import as_float

    device = pick()
    with np.load(results.METRICS / f"pictures/adversarial-{name}.npz") as attacked:
        given = {key: attacked[key] for key in ("images", "eps", "labels", "attack")}
    versions = as_float(torch.from_numpy(given.pop("images")).to(device))[:, :, None]
    dataset = datasets.load(f"data/datasets/{study.DATASET}.npz")
    data = as_tensors(dataset, n_train=1, device=device)
    n_images = settings.size(study.ATTACK, AttackSize).n_images
    chosen = torch.from_numpy(dataset.evaluation[:n_images].copy()).to(device)
    images, labels = as_float(data.test_images[chosen]), data.test_labels[chosen]
    how = settings.block("cnnf_probe", study.Probe)
    entries = []
    for seed in runs.seeds(name):
        model = runs.load(name, seed=seed, device=device)
        assert isinstance(model, FeedbackNetwork)
        changed = probe.attacked(model, images, labels, attack=how.attack, eps=how.eps, seed=seed)
        entries.append({"seed": seed, **probe.entry(model, images, labels, changed)})
        if len(entries) == 1:
            found = evaluation.pictures(model, list(versions), images[: versions.shape[1]])
            write_npz(results.METRICS / f"pictures/adversarial-reconstructions-{name}.npz", found | given)
    results.write_run(
        "probe",
        name,
        study="cnnf",
        scale=settings.scale,
        dataset=study.DATASET,
        settings={"attack": how.attack, "n_images": len(images)},
        eps=list(how.eps),
        **results.per_seed(entries),
    )


if __name__ == "__main__":
    stage_main(main)

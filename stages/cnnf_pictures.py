"""Letters that an attack pushes to another letter, and what feedback makes of attacked ones: for looking at.

`python -m stages.cnnf_pictures cnn-feedback`, for a run of cnnf_runs that has been attacked. Of its first seed only.
"""

from __future__ import annotations

import argparse

from biorobust import params
from biorobust.attack_plan import AttackPlan
from biorobust.cnnf import params as study
from biorobust.devices import pick
from biorobust.files import write_npz
from stages.common import run_info, stage_main

TARGETED = "pgd-targeted"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="an entry of cnnf_runs in params.yaml")
    name = parser.parse_args(argv).run
    settings = params.load()
    settings.run("cnnf_runs", name, study.NetworkRun)
    with run_info(f"cnnf_pictures@{name}"):
        draw(name, eps=settings.block(study.ATTACK, AttackPlan).eps)


def draw(name: str, *, eps: tuple[float, ...]) -> None:
    """Write pictures/targeted-<run>.npz and pictures/adversarial-reconstructions-<run>.npz."""
    import numpy as np
    import torch

    from biorobust import attacks, datasets, results, runs
    from biorobust.cnnf import evaluation
    from biorobust.cnnf.network import FeedbackNetwork
    from biorobust.tensors import as_tensors
    from biorobust.training import as_float

    device = pick()
    dataset = datasets.load(f"data/datasets/{study.DATASET}.npz")
    data = as_tensors(dataset, n_train=1, device=device)
    chosen = torch.from_numpy(dataset.evaluation[: evaluation.N_PICTURES].copy()).to(device)
    images, labels = as_float(data.test_images[chosen]), data.test_labels[chosen]
    seed = runs.seeds(name)[0]
    model = runs.load(name, seed=seed, device=device)
    assert isinstance(model, FeedbackNetwork)
    views = runs.attack_views(name, model)
    targeted = attacks.pictures(model, images, labels, TARGETED, eps=eps, seed=seed, views=views)
    write_npz(results.METRICS / f"pictures/targeted-{name}.npz", targeted)
    with np.load(results.METRICS / f"pictures/adversarial-{name}.npz") as attacked:
        versions = as_float(torch.from_numpy(attacked["images"]).to(device))[:, :, None]
        more = {key: attacked[key] for key in ("eps", "labels", "attack")}
    found = evaluation.pictures(model, list(versions), images)
    write_npz(results.METRICS / f"pictures/adversarial-reconstructions-{name}.npz", found | more)


if __name__ == "__main__":
    stage_main(main)

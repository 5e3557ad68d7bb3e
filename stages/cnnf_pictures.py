"""What feedback makes of attacked letters, for looking at: `python -m stages.cnnf_pictures cnn-feedback`.

For a run of cnnf_runs that has been attacked; of its first seed, on the letters of pictures/adversarial-<run>.npz.
"""

from __future__ import annotations

import argparse

from biorobust import params
from biorobust.cnnf import params as study
from biorobust.devices import pick
from biorobust.files import write_npz
from stages.common import run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="an entry of cnnf_runs in params.yaml")
    name = parser.parse_args(argv).run
    params.load().run("cnnf_runs", name, study.NetworkRun)
    with run_info(f"cnnf_pictures@{name}"):
        reconstruct(name)


def reconstruct(name: str) -> None:
    """Write pictures/adversarial-reconstructions-<run>.npz."""
    import numpy as np
    import torch

    from biorobust import datasets, results, runs
    from biorobust.cnnf import evaluation
    from biorobust.cnnf.network import FeedbackNetwork
    from biorobust.tensors import as_tensors
    from biorobust.training import as_float

    device = pick()
    with np.load(results.METRICS / f"pictures/adversarial-{name}.npz") as attacked:
        given = {key: attacked[key] for key in ("images", "eps", "labels", "attack")}
    versions = as_float(torch.from_numpy(given.pop("images")).to(device))[:, :, None]
    dataset = datasets.load(f"data/datasets/{study.DATASET}.npz")
    data = as_tensors(dataset, n_train=1, device=device)
    chosen = torch.from_numpy(dataset.evaluation[: versions.shape[1]].copy()).to(device)
    model = runs.load(name, seed=runs.seeds(name)[0], device=device)
    assert isinstance(model, FeedbackNetwork)
    found = evaluation.pictures(model, list(versions), as_float(data.test_images[chosen]))
    write_npz(results.METRICS / f"pictures/adversarial-reconstructions-{name}.npz", found | given)


if __name__ == "__main__":
    stage_main(main)

"""Take over the networks that others trained on ImageNet: `python -m stages.import_vonenet`.

Their files are looked for in the folder that BIOROBUST_WEIGHTS names. One without its file is noted as unavailable.
"""

from __future__ import annotations

import argparse
import sys

from biorobust import params
from biorobust.core import places
from biorobust.core.errors import BiorobustError
from biorobust.core.files import sha256
from biorobust.vonenet.model.params import ImagenetRun
from stages.common import run_info, stage_main

RUNS, DATASET = "vonenet_imagenet", "imagenet_samples"
SEED = 0  # of a network that was trained once, elsewhere
BATCH_SIZE = 32


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.import_vonenet", description=__doc__)
    parser.add_argument("run", nargs="?", help="one entry of vonenet_imagenet in params.yaml; without it, all of them")
    only = parser.parse_args(argv).run
    settings = params.load()
    found = {name: settings.run(RUNS, name, ImagenetRun) for name in ([only] if only else settings.runs[RUNS])}
    with run_info("import_vonenet"), places.together("imagenet"):
        for name, run in found.items():
            take_over(name, run, scale=settings.scale)


def take_over(name: str, run: ImagenetRun, *, scale: str) -> None:
    """Write a run's checkpoint and what it gets right of the sample, or why it is unavailable."""
    from biorobust.core import experiment, results, runs
    from biorobust.networks import weights
    from biorobust.vonenet.model import checkpoint, evaluation

    head = {"study": "vonenet", "scale": scale, "dataset": DATASET}
    try:
        path = weights.find(run.file)
    except weights.Unavailable as error:
        runs.save_unavailable(name, architecture="vonenet", reason=str(error))
        results.write_unavailable("train", name, reason=str(error), settings=run.model_dump(), **head)
        print(f"{name} is unavailable: {error}", file=sys.stderr)
        return
    data = experiment.load(DATASET)
    imported = checkpoint.READERS[run.method](path)
    if imported.config["n_classes"] != data.n_classes:
        raise BiorobustError(
            f"{path} tells {imported.config['n_classes']} classes apart, {DATASET} has {data.n_classes}: "
            f"name a network trained on ImageNet ({RUNS}.{name}.file)"
        )
    model = imported.model().to(data.test_labels.device)
    entry = evaluation.seed_entry(SEED, model, data.test_images, data.test_labels, batch_size=BATCH_SIZE)
    runs.save(name, {SEED: model}, architecture="vonenet", configs={SEED: imported.config})
    results.write_run(
        "train",
        name,
        **head,
        settings=run.model_dump() | {"sha256": sha256(path)} | imported.config,
        accuracy=results.over_seeds([entry]),
        **experiment.sized(model),
        **results.per_seed([entry]),
    )


if __name__ == "__main__":
    stage_main(main)

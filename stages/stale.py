"""Print the DVC stages to run again for want of something that is here now: `python -m stages.stale`.

That is real data, where a stand-in was taken because no folder was named, and weights that others trained. DVC cannot
see either: no parameter and no file of the repository has changed. `make repro` runs these stages again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from biorobust import datasets, params
from biorobust.core import places
from biorobust.core.files import read_json
from biorobust.core.left_out import has_run
from biorobust.kwta.model.params import AblationRun, AblationSize, Cells, Run
from biorobust.kwta.model.weights import FILES
from biorobust.networks import weights
from biorobust.vonenet.model.params import ImagenetRun
from stages.common import no_argument, stage_main

METRICS = Path("reports/metrics")


def main(argv: list[str] | None = None) -> None:
    no_argument(argv, __doc__)
    for stage in stale(params.load()):
        print(stage)


def stale(settings: params.Params) -> list[str]:
    """Names of the stages. Raises BiorobustError for a damaged file of weights."""
    lacking = [*_vonenet(settings), *_kwta(settings)]
    here = {file: _here(file) for file in {file for _, file in lacking}}
    return list(dict.fromkeys([*_stand_ins(settings), *(stage for stage, file in lacking if here[file])]))


def _stand_ins(settings: params.Params) -> Iterator[str]:
    """Stages that took bundled data, now that a variable names a folder with real data."""
    for name in settings.datasets if settings.data.source == "auto" else ():
        if _noted(f"data/{name}", "source") == "bundled" and datasets.local_folder(name) is not None:
            yield f"download@{name}"


def _vonenet(settings: params.Params) -> Iterator[tuple[str, str]]:
    group = "vonenet_imagenet"
    for name in settings.runs[group]:
        if _noted(f"train/{name}", "status") == "unavailable":
            yield "import_vonenet", settings.run(group, name, ImagenetRun).file


def _kwta(settings: params.Params) -> Iterator[tuple[str, str]]:
    cells = [
        (f"train_kwta@{run.partition('-')[2]}", f"train/{place}-{run}", place.partition("-")[0])
        for run in settings.runs["kwta_runs"]
        if settings.run("kwta_runs", run, Run).init == "pretrained"
        for place in settings.size("kwta_cells", Cells).trained
    ]
    trained = settings.size("kwta_ablation", AblationSize).trained
    cells += [
        ("ablate_kwta", f"ablations/{name}", settings.run("kwta_ablations", name, AblationRun).network)
        for name in settings.runs["kwta_ablations"]
        if has_run(trained, name)
    ]
    for stage, metrics, network in cells:
        if network in FILES and _noted(metrics, "status") == "unavailable":
            yield stage, FILES[network]


def _noted(metrics: str, key: str) -> str | None:
    path = places.find(METRICS, f"{metrics}.json")
    return read_json(path).get(key) if path.is_file() else None


def _here(file: str) -> bool:
    return weights.here(file) if os.environ.get(weights.VARIABLE) else (weights.DOWNLOADS / file).is_file()


if __name__ == "__main__":
    stage_main(main)

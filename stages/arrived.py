"""Print the DVC stages that lacked a file of weights which is here now: `python -m stages.arrived`.

DVC cannot see it: neither a parameter nor a file of the repository has changed. `make repro` runs these stages again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from biorobust import params
from biorobust.core.files import read_json
from biorobust.kwta.params import AblationRun, Cells, Run
from biorobust.networks import weights
from biorobust.vonenet.params import ImagenetRun
from stages.common import stage_main

METRICS = Path("reports/metrics")


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(prog="python -m stages.arrived", description=__doc__).parse_args(argv)
    settings = params.load()
    lacking = [*_of_vonenet(settings), *_of_kwta(settings)]
    here = {file: _here(file) for file in {file for _, file in lacking}}
    for stage in dict.fromkeys(stage for stage, file in lacking if here[file]):
        print(stage)


def _of_vonenet(settings: params.Params) -> Iterator[tuple[str, str]]:
    """Stages that noted a run as unavailable, each with the file it lacked."""
    group = "vonenet_imagenet"
    for name in settings.runs[group]:
        if _unavailable(f"train/{name}"):
            yield f"import_vonenet@{name}", settings.run(group, name, ImagenetRun).file


def _of_kwta(settings: params.Params) -> Iterator[tuple[str, str]]:
    """The same of k-WTA: of its cells and of its ablations."""
    cells = [
        (f"train_kwta@{run}", f"train/{place}-{run}", place.partition("-")[0])
        for run in settings.runs["kwta_runs"]
        if settings.run("kwta_runs", run, Run).init == "pretrained"
        for place in settings.size("kwta_cells", Cells).trained
    ]
    ablations = {name: settings.run("kwta_ablations", name, AblationRun) for name in settings.runs["kwta_ablations"]}
    cells += [("ablate_kwta", f"ablations/{name}", run.network) for name, run in ablations.items()]
    for stage, metrics, network in cells:
        if _unavailable(metrics):
            from biorobust.kwta.weights import FILES  # it loads torch, which nobody who lacks nothing waits for

            if network in FILES:
                yield stage, FILES[network]


def _unavailable(metrics: str) -> bool:
    path = METRICS / f"{metrics}.json"
    return path.is_file() and read_json(path).get("status") == "unavailable"


def _here(file: str) -> bool:
    if os.environ.get(weights.VARIABLE):
        return weights.here(file)
    return (weights.DOWNLOADS / file).is_file()


if __name__ == "__main__":
    stage_main(main)

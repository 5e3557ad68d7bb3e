"""The two groups of networks whose layers are read: the CIFAR-10 analogue, and the report's own on ImageNet images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biorobust.core import places
from biorobust.core.files import read_json, read_tensors

PERTURBED = Path("data/perturbed/vonenet")
RECORDS = Path("data/attacks/vonenet")
FEWEST = 3  # images a network has to get right for its layers to be read on these alone
PLAIN = "resnet"


@dataclass(frozen=True)
class Group:
    """`runs`: its run list in params.yaml; `dataset`: the images its networks are shown."""

    runs: str
    dataset: str


ANALOGUE = "cifar10"
GROUPS = {
    ANALOGUE: Group(runs="vonenet_runs", dataset="cifar10"),
    "imagenet": Group(runs="vonenet_imagenet", dataset="imagenet_samples"),
}


def unavailable(run: str) -> str | None:
    """Why a run has no network, as the stage that makes it noted; None for one that has."""
    reason = read_json(places.find(places.CHECKPOINTS, f"{run}/model.json")).get("unavailable")
    return None if reason is None else str(reason)


def twin(name: str, runs: Mapping[str, Any]) -> str | None:
    """The plain network a network with a V1 stage is compared with: as deep, and trained if it is; None without one."""
    if runs[name].method == PLAIN:
        return None
    return next(
        (other for other in runs if runs[other].method == PLAIN and _like(runs[other]) == _like(runs[name])), None
    )


def untrained(name: str, runs: Mapping[str, Any]) -> str | None:
    """The network with random weights that stands for a trained one, None without one."""
    if not getattr(runs[name], "trained", True):
        return None

    def layout(run: Any) -> tuple[object, ...]:
        return run.method, getattr(run, "depth", 50), getattr(run, "filters", None)

    alike = (other for other in runs if layout(runs[other]) == layout(runs[name]))
    return next((other for other in alike if not getattr(runs[other], "trained", True)), None)


def _like(run: Any) -> tuple[object, object]:
    # The networks of the report are all 50 layers deep and trained, so their runs do not say it.
    return getattr(run, "depth", 50), getattr(run, "trained", True)


def file_of(group: str, run: str, seed: int) -> Path:
    """Where the perturbed images of a network lie."""
    return PERTURBED / group / f"{run}-seed{seed}.safetensors"


def perturbed(group: str, run: str, seed: int, *, device: str) -> dict[str, Any]:
    """The tensors that were perturbed against a network. Raises BiorobustError naming a missing or damaged file."""
    return {name: tensor.to(device) for name, tensor in read_tensors(file_of(group, run, seed)).items()}

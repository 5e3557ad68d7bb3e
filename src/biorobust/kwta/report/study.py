"""The study of k-winners-take-all activations: eight tables of three rows each, beside them analogues of two of them
and a further network of our own, ablations, and probes of the jumps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from biorobust.kwta.model.params import FAST, OTHER, TRANSFERRED, stage_key
from biorobust.reporting.estimates import Estimate, accuracy, curve
from biorobust.reporting.labels import IMAGE_WORST_CASE, RESIZED, WORST_CASE, Look, look
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.metrics_file import Content
from biorobust.reporting.study import Study

NETWORKS = {"alexnet": "AlexNet", "resnet18": "ResNet18"}  # of the report
NAMES = {**NETWORKS, FAST: "small fast network"}
DATASETS = {"svhn": "SVHN", "cifar10": "CIFAR-10"}
STARTS = {"scratch": "random weights", "pretrained": "ImageNet weights"}

CLEAN, DEEPFOOL = "clean", "deepfool-report"
# PGD with the step of the report, 0.003 eps; with that of the original paper, 0.003 in pixel units; its best iterate.
PGD, ORIGINAL_STEP, BEST = "pgd-report", "pgd-corrected", "pgd-corrected-best"
# What a cell is measured on: name -> in words. All but the first are attacks, in two threat models each.
MEASURES = {
    CLEAN: "clean",
    PGD: "PGD, report's step",
    DEEPFOOL: "DeepFool",
    ORIGINAL_STEP: "PGD, original paper's step",
    BEST: "best iterate of it",
    WORST_CASE: "worst of these",
}


def row_name(gamma: float | None) -> str:
    """As the report calls a row: "ReLU" or "k-WTA-0.2"."""
    return "ReLU" if gamma is None else f"k-WTA-{gamma:g}"


def _run(cell: str) -> str:
    """The run of params.yaml that a cell belongs to, as in "scratch-kwta"."""
    return cell.split("-", maxsplit=2)[2]


@dataclass(frozen=True)
class Place:
    """One of the report's tables, or ours: a network on a data set from one start. `rows`: its cells, as stages call
    them; `number`: of the report's table, None for ours; `like`: of the report's table of which ours is an analogue.
    """

    number: int | None
    network: str
    dataset: str
    init: str
    rows: tuple[str, ...]
    like: int | None = None

    @property
    def key(self) -> str:
        """Its name in those of tables and claims: "7", "7a" for what is like table 7, or "fast"."""
        return f"{self.number}" if self.number else f"{self.like}a" if self.like else self.network

    @property
    def where(self) -> str:
        """As in "ResNet18 on CIFAR-10"."""
        return f"{'our ' if self.network == FAST else ''}{NAMES[self.network]} on {DATASETS[self.dataset]}"

    @property
    def words(self) -> str:
        """As in "ResNet18 on CIFAR-10, from random weights"."""
        start = f"weights of {DATASETS[OTHER[self.dataset]]}" if self.init == TRANSFERRED else STARTS[self.init]
        return f"{self.where}, from {start}"

    @property
    def title(self) -> str:
        """As in "ResNet18, CIFAR-10"."""
        return f"{NAMES[self.network]}, {DATASETS[self.dataset]}"

    @property
    def label(self) -> str:
        """What stands above its rows: "Table 6", "Like table 7", or "Ours"."""
        return f"Table {self.number}" if self.number else f"Like table {self.like}" if self.like else "Ours"


@dataclass(frozen=True)
class Cell:
    """A row of a table and what was measured of it, in `m`. `gamma`: what it was trained with, or before that is to be;
    None for ReLU.
    """

    id: str
    place: Place
    gamma: float | None
    m: Measurements

    @property
    def row(self) -> str:
        return row_name(self.gamma)

    @property
    def look(self) -> Look:
        return replace(look(_run(self.id)), label=self.row)

    @property
    def trained(self) -> Content | None:
        return self.m.ran(f"train/{self.id}")

    @property
    def attacked(self) -> Content | None:
        return self.m.ran(f"attack/{self.id}")

    @property
    def seeds(self) -> Sequence[Content]:
        return self.trained["per_seed"] if self.trained else ()

    @property
    def collapsed(self) -> bool:
        """Whether any training gives one class to every image: no attack can tell anything of it."""
        return any(seed["collapsed"] for seed in self.seeds)

    @property
    def clean(self) -> Estimate | None:
        return accuracy(self.m, self.id)

    def of(self, measure: str, *, tensor: bool = True) -> Estimate | None:
        """Accuracy on one of MEASURES, None where there is none; clean also of a single training that came to nothing.

        tensor: the tensor that the network sees was attacked, and not the image. The worst case on it is over the
        attacks in both threat models: a change of the image within epsilon is one of the tensor within epsilon. For a
        network that sees the image as it is, the tensor is the image.
        """
        if measure == CLEAN:
            broken = [Estimate._make((s["accuracy"], *s["wilson"], s["n"], 1)) for s in self.seeds]
            return self.clean or (broken[0] if len(broken) == 1 else None)
        tensor = tensor and self.place.network != FAST
        name = f"{measure}{RESIZED}" if tensor else measure
        if measure == WORST_CASE:
            name = WORST_CASE if tensor else IMAGE_WORST_CASE
        found = curve(self.m, self.id, name)
        return found.points[0] if found else None


@dataclass(frozen=True)
class Kwta(Study):
    """`rows`: run of params.yaml -> its start; `gammas`: run -> its gamma, None for ReLU.

    `ablations`: names of the entries of params.yaml. `fast`: whether there is a network of our own.
    """

    rows: Mapping[str, str]
    gammas: Mapping[str, float | None]
    ablations: tuple[str, ...]
    fast: bool

    @property
    def places(self) -> tuple[Place, ...]:
        """The tables, in the order and with the numbers of the report, and ours behind them."""
        found = [(network, dataset, init) for network in NETWORKS for init in STARTS for dataset in DATASETS]
        like = {dataset: found.index(("resnet18", dataset, "pretrained")) + 1 for dataset in DATASETS}
        analogues = [self._place(None, "resnet18", dataset, TRANSFERRED, like=n) for dataset, n in like.items()]
        ours = [self._place(None, FAST, "cifar10", "scratch")] if self.fast and self.rows else []
        tables = (self._place(number, *where) for number, where in enumerate(found, start=1))
        return (*tables, *(place for place in analogues if place.rows), *ours)

    def _place(self, number: int | None, network: str, dataset: str, init: str, like: int | None = None) -> Place:
        rows = tuple(f"{network}-{dataset}-{run}" for run, start in self.rows.items() if start == init)
        return Place(number=number, network=network, dataset=dataset, init=init, rows=rows, like=like)

    @property
    def networks(self) -> tuple[str, ...]:
        return tuple(cell for place in self.places for cell in place.rows)

    def cells(self, m: Measurements, *, init: str = "") -> tuple[Cell, ...]:
        return tuple(
            Cell(name, place, m.settings(f"train/{name}").get("gamma", self.gammas[_run(name)]), m)
            for place in self.places
            if init in ("", place.init)
            for name in place.rows
        )

    def train_stage(self, run: str) -> str:
        return f"train_kwta@{stage_key(_run(run))}"

    def attack_stage(self, run: str) -> str:
        return f"attack_kwta@{stage_key(_run(run))}"

    def stages(self) -> tuple[str, ...]:
        return (
            *(f"download@{name}" for name in self.datasets),
            *dict.fromkeys(map(self.train_stage, self.networks)),
            "ablate_kwta",
            "time_kwta",
            *dict.fromkeys(map(self.attack_stage, self.networks)),
            *self.adapt_stages,
            f"compare@{self.name}",
        )

    def ends(self) -> tuple[str, ...]:
        return (*super().ends(), "ablate_kwta", "time_kwta")

    def results(self) -> tuple[str, ...]:
        of_cells = (f"{kind}/{cell}" for kind in ("train", "attack") for cell in self.networks)
        return (*of_cells, *(f"ablations/{name}" for name in self.ablations), "timing/kwta", *self.adapted_results)

    def facts(self, metrics: Measurements, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """`unavailable`: why -> how many cells could not be had for it."""
        files = [found for cell in self.networks if (found := metrics.get(f"train/{cell}"))]
        return {"unavailable": Counter(str(found["reason"]) for found in files if found["status"] != "ok")}


def kwta(params: Mapping[str, Any]) -> Kwta:
    runs: Mapping[str, Mapping[str, str]] = params.get("kwta_runs", {})
    plan: Mapping[str, Any] = params.get("kwta_attack", {})
    return Kwta(
        name="kwta",
        title="k-winners-take-all activations",
        datasets=("cifar10", "svhn"),
        attacks=(
            *plan.get("attacks", ()),
            *(f"{name}-resized" for name in plan.get("resized_attacks", ())),
            *params.get("kwta_adaptive", {}).get("alone", ()),
        ),
        rows={run: values["init"] for run, values in runs.items()},
        gammas={run: params.get(values["method"], {}).get("gamma") for run, values in runs.items()},
        ablations=tuple(params.get("kwta_ablations", {})),
        fast="kwta_fast" in params,
        adaptive=params.get("kwta_adaptive", {}),
    )

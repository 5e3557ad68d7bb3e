"""The study of k-winners-take-all activations: eight tables of three rows each, a further network of our own beside
them, ablations, and probes of the jumps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from biorobust.reporting.study import Study

if TYPE_CHECKING:
    pass

NETWORKS = {"alexnet": "AlexNet", "resnet18": "ResNet18"}  # of the report
FAST = "fast"
NAMES = {**NETWORKS, FAST: "small fast network"}
DATASETS = {"svhn": "SVHN", "cifar10": "CIFAR-10"}
STARTS = {"scratch": "random weights", "pretrained": "ImageNet weights"}


@dataclass(frozen=True)
class Place:
    """One of the report's tables, or ours: a network on a data set from one start. `rows`: its cells, as stages call
    them; `number`: of the report's table, None for ours.
    """

    number: int | None
    network: str
    dataset: str
    init: str
    rows: tuple[str, ...]

    @property
    def words(self) -> str:
        """As in "ResNet18 on CIFAR-10, from random weights"."""
        return f"{self.where}, from {STARTS[self.init]}"

    @property
    def where(self) -> str:
        """As in "ResNet18 on CIFAR-10"."""
        return f"{'' if self.number else 'our '}{NAMES[self.network]} on {DATASETS[self.dataset]}"

    @property
    def label(self) -> str:
        """What stands above its rows: "Table 6", or "Ours"."""
        return f"Table {self.number}" if self.number else "Ours"


@dataclass(frozen=True)
class Kwta(Study):
    """`rows`: run of params.yaml -> its start; `gammas`: run -> its gamma, None for ReLU.

    `ablations`: entry of params.yaml -> the question it belongs to. `fast`: whether there is a network of our own.
    """

    rows: Mapping[str, str]
    gammas: Mapping[str, float | None]
    ablations: Mapping[str, str]
    fast: bool

    @property
    def places(self) -> tuple[Place, ...]:
        """The tables, in the order and with the numbers of the report, and ours behind them."""
        found = [(network, dataset, init) for network in NETWORKS for init in STARTS for dataset in DATASETS]
        ours = [self._place(None, FAST, "cifar10", "scratch")] if self.fast and self.rows else []
        return (*(self._place(number, *where) for number, where in enumerate(found, start=1)), *ours)

    def _place(self, number: int | None, network: str, dataset: str, init: str) -> Place:
        rows = tuple(f"{network}-{dataset}-{run}" for run, start in self.rows.items() if start == init)
        return Place(number=number, network=network, dataset=dataset, init=init, rows=rows)

    @property
    def networks(self) -> tuple[str, ...]:
        return tuple(cell for place in self.places for cell in place.rows)

    def train_stage(self, run: str) -> str:
        return f"train_kwta@{self.row(run).partition('-')[2]}"

    def attack_stage(self, run: str) -> str:
        return f"attack_kwta@{self.row(run).partition('-')[2]}"

    def row(self, cell: str) -> str:
        """The run of params.yaml that a cell belongs to."""
        return next(run for run in self.rows for place in self.places if cell.endswith(f"-{place.dataset}-{run}"))

    def stages(self) -> tuple[str, ...]:
        return (
            *(f"download@{name}" for name in self.datasets),
            *dict.fromkeys(map(self.train_stage, self.networks)),
            "ablate_kwta",
            "time_kwta",
            *dict.fromkeys(map(self.attack_stage, self.networks)),
            f"compare@{self.name}",
        )

    def ends(self) -> tuple[str, ...]:
        return (*super().ends(), "ablate_kwta", "time_kwta")

    def results(self) -> tuple[str, ...]:
        of_cells = (f"{kind}/{cell}" for kind in ("train", "attack") for cell in self.networks)
        return (*of_cells, *(f"ablations/{name}" for name in self.ablations), "timing/kwta")


def kwta(params: Mapping[str, Any]) -> Kwta:
    """The study as a params.yaml lists it; one of before this study has no runs."""

    runs: Mapping[str, Mapping[str, str]] = params.get("kwta_runs", {})
    plan: Mapping[str, Any] = params.get("kwta_attack", {})
    return Kwta(
        name="kwta",
        title="k-winners-take-all activations",
        datasets=("cifar10", "svhn"),
        attacks=(*plan.get("attacks", ()), *(f"{name}-resized" for name in plan.get("resized_attacks", ()))),
        rows={run: values["init"] for run, values in runs.items()},
        gammas={run: params.get(values["method"], {}).get("gamma") for run, values in runs.items()},
        ablations={name: values["question"] for name, values in params.get("kwta_ablations", {}).items()},
        fast="kwta_fast" in params,
    )

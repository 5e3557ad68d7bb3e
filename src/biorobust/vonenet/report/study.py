"""The study of a V1 stage in front of a ResNet: a CIFAR-10 analogue, and the report's networks on ImageNet images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from biorobust.reporting.study import Study
from biorobust.vonenet.model.params import baseline

if TYPE_CHECKING:
    import pandas as pd

    from biorobust.reporting.measurements import Measurements

PLAIN, VONE, NOISELESS = "resnet50", "voneresnet50", "voneresnet50-noiseless"  # runs that the report speaks of


@dataclass(frozen=True)
class Vonenet(Study):
    """`runs`: those of the analogue; `exact`: the report's; `baselines`: those with a V1 stage -> those without."""

    runs: tuple[str, ...]
    exact: tuple[str, ...]
    baselines: Mapping[str, str]

    @property
    def networks(self) -> tuple[str, ...]:
        return self.runs + self.exact

    def train_stage(self, run: str) -> str:
        return f"train_vonenet@{run}" if run in self.runs else "import_vonenet"

    def attack_stage(self, run: str) -> str:
        return "perturb_vonenet"

    def stages(self) -> tuple[str, ...]:
        return (
            *(f"download@{name}" for name in self.datasets),
            *dict.fromkeys(map(self.train_stage, self.networks)),
            "perturb_vonenet",
            "activations_vonenet",
            *self.adapt_stages,
            f"compare@{self.name}",
        )

    def results(self) -> tuple[str, ...]:
        kinds = ("train", "perturb", "activations", "riddle", "attack")
        of_networks = (f"{kind}/{run}" for kind in kinds for run in self.networks)
        return (*of_networks, *(f"deviations/{run}" for run in self.baselines), *self.adapted_results)

    def facts(self, metrics: Measurements, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """`unavailable`: run -> why it could not be had; `exact`: of the report's own networks those that are here;
        `n_layers`: convolutions compared, None where nothing ran.
        """
        found = {run: metrics.get(f"train/{run}") for run in self.networks}
        missing = {run: str(entry["reason"]) for run, entry in found.items() if entry and entry["status"] != "ok"}
        pairs = [pair for run in self.baselines if (pair := metrics.ran(f"deviations/{run}"))]
        here = [run for run in self.exact if found[run] and run not in missing]
        return {"unavailable": missing, "exact": here, "n_layers": pairs[0]["per_seed"][0]["layers"] if pairs else None}


def layer_table(m: Measurements, name: str, **wanted: str | tuple[str, ...]) -> pd.DataFrame | None:
    """Rows of a table by layer such as "activations/resnet50": those with the `wanted` values; None without any."""
    if (rows := m.csv(name)) is None:
        return None
    for column, values in wanted.items():
        rows = rows[rows[column].isin([values] if isinstance(values, str) else values)]
    return rows if len(rows) else None


def vonenet(params: Mapping[str, Any]) -> Vonenet:
    runs, exact = (dict(params.get(name, {})) for name in ("vonenet_runs", "vonenet_imagenet"))
    sources = params.get("vonenet_perturbations", {}).get("sources", ())
    return Vonenet(
        name="vonenet",
        title="A model of V1 in front of a ResNet",
        datasets=("cifar10", "imagenet_samples"),
        attacks=("pgd-cross-entropy", "random-signs", *(f"deepfool-{name}" for name in ("own", "live", *sources))),
        runs=tuple(runs),
        exact=tuple(exact),
        baselines=_baselines(runs) | _baselines(exact),
        adaptive=params.get("vonenet_adaptive", {}),
    )


def _baselines(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Networks with a V1 stage -> those without; the params.yaml may be an older one."""
    known = {name: SimpleNamespace(**{"depth": 50, "trained": True, **run}) for name, run in runs.items()}
    return {name: plain for name in known if (plain := baseline(name, known))}

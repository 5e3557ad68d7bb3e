"""The study of recurrent generative feedback on EMNIST Letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from biorobust.reporting.study import Study

if TYPE_CHECKING:
    from biorobust.reporting.measurements import Measurements

# The networks that the report's argument is about, as params.yaml names them.
FEEDBACK = "cnn-feedback"
CNN = "cnn-clean"
NOT_CYCLED = "clean-not-cycled"
IMAGES = ("clean", "noisy")


@dataclass(frozen=True)
class Cnnf(Study):
    """The networks that are attacked, further trainings that test a reading or a choice, and the report's grid."""

    runs: tuple[str, ...]
    variants: tuple[str, ...]
    grid: tuple[str, ...]
    cells: Mapping[str, tuple[int, float]]  # run of the grid -> cycles, residual

    @property
    def networks(self) -> tuple[str, ...]:
        return self.runs + self.variants + self.grid

    @property
    def attacked(self) -> tuple[str, ...]:
        return self.runs

    def train_stage(self, run: str) -> str:
        if run in self.runs:
            return f"train_cnnf@{run}"
        return "train_cnnf_variants" if run in self.variants else "train_cnnf_grid"

    def attack_stage(self, run: str) -> str:
        return f"attack_cnnf@{run}"

    def stages(self) -> tuple[str, ...]:
        return (
            *(f"download@{name}" for name in self.datasets),
            *dict.fromkeys(map(self.train_stage, self.networks)),
            *map(self.attack_stage, self.attacked),
            *self.adapt_stages,
            f"compare@{self.name}",
        )

    def results(self) -> tuple[str, ...]:
        trained, attacked = (f"train/{run}" for run in self.networks), (f"attack/{run}" for run in self.attacked)
        return (*trained, *attacked, *self.adapted_results)

    def facts(self, metrics: Measurements, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """`capped`: runs whose minibatch was smaller than params.yaml says; None where nothing has run."""
        found = {run: content["settings"] for run in self.networks if (content := metrics.get(f"train/{run}"))}
        wanted = params.get("cnnf_training", {}).get("batch_size", 0)
        capped = tuple(run for run, settings in found.items() if settings.get("batch_size", wanted) < wanted)
        return {"capped": capped if found else None}


def cnnf(params: Mapping[str, Any]) -> Cnnf:
    """The study as a params.yaml lists it; one of before this study has no runs."""
    grid = params.get("cnnf_grid", {})
    return Cnnf(
        name="cnnf",
        title="Recurrent generative feedback",
        datasets=("emnist_letters",),
        attacks=tuple(params.get("cnnf_attack", {}).get("attacks", ())),
        runs=tuple(params.get("cnnf_runs", {})),
        variants=tuple(params.get("cnnf_variants", {})),
        grid=tuple(grid),
        cells={run: (values["cycles"], values["residual"]) for run, values in grid.items()},
        adaptive=params.get("cnnf_adaptive", {}),
    )

"""Which runs a study has, read from a params.yaml (of this checkout or of a snapshot), and which stage makes each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from biorobust.errors import BiorobustError


@dataclass(frozen=True)
class Study:
    """Names only, in the order of params.yaml; leftovers of removed runs are in none of them."""

    name: str
    title: str
    datasets: tuple[str, ...]
    weights: tuple[str, ...]
    runs: tuple[str, ...]
    controls: tuple[str, ...]
    weights_of: Mapping[str, str]  # run -> the weights it stands on

    @property
    def networks(self) -> tuple[str, ...]:
        """Every run that classifies images."""
        return self.runs + self.controls

    def first_run(self, weights: str) -> str:
        """The run whose name and colour stand for these weights; the weights' own name if no run uses them."""
        return next((run for run in self.runs if self.weights_of[run] == weights), weights)

    def train_stage(self, run: str) -> str:
        return f"{'train_supervised' if run in self.runs else 'train_controls'}@{run}"

    def attack_stage(self, run: str) -> str:
        return f"attack_{self.name if run in self.runs else 'controls'}@{run}"

    def weights_stage(self, weights: str) -> str:
        return f"{self.name}_pretrain@{weights}"

    def stages(self) -> tuple[str, ...]:
        """Every stage behind the study's metrics, in the order of dvc.yaml."""
        return (
            *(f"download@{name}" for name in self.datasets),
            *(self.weights_stage(name) for name in self.weights),
            *(self.train_stage(name) for name in self.networks),
            *(self.attack_stage(name) for name in self.networks),
            f"compare@{self.name}",
        )


def read_params(path: str | Path) -> Mapping[str, Any]:
    """The values of a params.yaml, unchecked: that of a snapshot may be older than the checks.

    Raises BiorobustError when the file is missing or no block of keys.
    """
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BiorobustError(f"{path} is missing: run from the top of the repository") from None
    except yaml.YAMLError as error:
        raise BiorobustError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, Mapping):
        raise BiorobustError(f"{path}: must be a block of keys")
    return raw


def hebbian(params: Mapping[str, Any]) -> Study:
    """The study of competing hidden units, as a params.yaml lists it."""
    runs = params.get("hebbian_runs", {})
    return Study(
        name="hebbian",
        title="Competing hidden units",
        datasets=("mnist",),
        weights=tuple(params.get("hebbian_weights", {})),
        runs=tuple(runs),
        controls=tuple(params.get("hebbian_controls", {})),
        weights_of={run: values["weights"] for run, values in runs.items()},
    )


STUDIES = {"hebbian": hebbian}

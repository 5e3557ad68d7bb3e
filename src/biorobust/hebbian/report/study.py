"""The study of competing hidden units on MNIST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from biorobust.reporting.study import Study

if TYPE_CHECKING:
    from biorobust.reporting.measurements import Measurements


@dataclass(frozen=True)
class Hebbian(Study):
    """Weights learned without labels, classifiers on top of them, and conventionally trained controls."""

    weights: tuple[str, ...]
    runs: tuple[str, ...]
    controls: tuple[str, ...]
    weights_of: Mapping[str, str]  # run -> the weights it stands on

    @property
    def networks(self) -> tuple[str, ...]:
        return self.runs + self.controls

    def first_run(self, weights: str) -> str:
        """The run whose name and colour stand for these weights; the weights' own name if no run uses them."""
        return next((run for run in self.runs if self.weights_of[run] == weights), weights)

    def weights_stage(self, weights: str) -> str:
        return f"hebbian_pretrain@{weights}"

    def train_stage(self, run: str) -> str:
        return f"{'train_supervised' if run in self.runs else 'train_controls'}@{run}"

    def attack_stage(self, run: str) -> str:
        return f"{'attack_hebbian' if run in self.runs else 'attack_controls'}@{run}"

    def stages(self) -> tuple[str, ...]:
        return (
            *(f"download@{name}" for name in self.datasets),
            *map(self.weights_stage, self.weights),
            *map(self.train_stage, self.networks),
            *map(self.attack_stage, self.networks),
            *self.adapt_stages,
            f"compare@{self.name}",
        )

    def results(self) -> tuple[str, ...]:
        pretrained = (f"pretrain/{weights}" for weights in self.weights)
        of_networks = (f"{kind}/{run}" for kind in ("train", "attack") for run in self.networks)
        return (*pretrained, *of_networks, *self.adapted_results)

    def facts(self, metrics: Measurements, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """`capped`: metrics files whose minibatch was smaller than params.yaml says; None where nothing has run."""
        methods = {f"pretrain/{name}": params["hebbian_weights"][name]["method"] for name in self.weights}
        methods |= {f"train/{name}": params["hebbian_runs"][name]["readout"] for name in self.runs}
        methods |= {f"train/{name}": params["hebbian_controls"][name]["method"] for name in self.controls}
        found = {name: content["settings"] for name in methods if (content := metrics.get(name))}
        # A classifier's file repeats the settings of its weights; its own minibatch is the one with the prefix.
        sizes = {name: of.get("readout_batch_size", of.get("batch_size")) for name, of in found.items()}
        sizes = {name: size for name, size in sizes.items() if size is not None}
        capped = tuple(name for name, size in sizes.items() if size < params[methods[name]]["batch_size"])
        return {"capped": capped if sizes else None}


def hebbian(params: Mapping[str, Any]) -> Hebbian:
    runs = params.get("hebbian_runs", {})
    return Hebbian(
        name="hebbian",
        title="Competing hidden units",
        datasets=("mnist",),
        attacks=tuple(params.get("hebbian_attack", {}).get("attacks", ())),
        weights=tuple(params.get("hebbian_weights", {})),
        runs=tuple(runs),
        controls=tuple(params.get("hebbian_controls", {})),
        weights_of={run: values["weights"] for run, values in runs.items()},
        adaptive=params.get("hebbian_adaptive", {}),
    )

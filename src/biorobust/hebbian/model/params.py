"""Parameters of the Hebbian study: one frozen dataclass per block of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from biorobust.core.attack_plan import AttackPlan, AttackSize
from biorobust.core.errors import ParamsError
from biorobust.core.schema import count, one_of, positive, setting


@dataclass(frozen=True)
class Rule:
    """The competing-hidden-units rule (Krotov & Hopfield 2019, eq. 3 in its fast form)."""

    p: float = setting("a number of 2 or more", lambda p: p >= 2)
    k: int = count(2)
    delta: float = setting("a number of 0 or more", lambda delta: delta >= 0)
    learning_rate: float = positive()
    batch_size: int = count()


@dataclass(frozen=True)
class RuleSize:
    n_train: int = count(32)
    n_hidden: int = count(2)
    epochs: int = count()
    seeds: int = count()


@dataclass(frozen=True)
class Readout:
    """The power classifier c = tanh(beta S max(W v, 0)^n) and its training (eq. 1 and the loss below it)."""

    inputs: str = one_of("raw", "unit")
    power: float = setting("a number of 1 or more", lambda power: power >= 1)
    beta: float | tuple[float, ...] = setting(
        "a number above 0, or a list of them to choose from",
        lambda beta: all(value > 0 for value in (beta if isinstance(beta, tuple) else (beta,))),
    )
    m: float = setting("a number of 1 or more", lambda m: m >= 1)
    learning_rate: float = positive()
    schedule: str = one_of("constant", "linear")
    batch_size: int = count()


@dataclass(frozen=True)
class ReadoutSize:
    n_train: int = count(32)
    epochs: int = count()


@dataclass(frozen=True)
class Control:
    """A conventionally trained network: Adam on cross-entropy."""

    learning_rate: float = positive()
    batch_size: int = count()


@dataclass(frozen=True)
class ConvSize:
    n_train: int = count(32)
    epochs: int = count()
    seeds: int = count()


@dataclass(frozen=True)
class MlpSize:
    n_train: int = count(32)
    n_hidden: int = count(2)
    epochs: int = count()
    seeds: int = count()


@dataclass(frozen=True)
class WeightsRun:
    method: str = one_of("hebbian", "hebbian_original")
    init: str = one_of("uniform", "normal")


@dataclass(frozen=True)
class ReadoutRun:
    weights: str
    readout: str = one_of("hebbian_readout", "hebbian_original_readout")
    units: str = one_of("all", "converged", "random")


@dataclass(frozen=True)
class ControlRun:
    method: str = one_of("simple_conv", "end_to_end")


BLOCKS = {
    "hebbian": Rule,
    "hebbian_original": Rule,
    "hebbian_readout": Readout,
    "hebbian_original_readout": Readout,
    "simple_conv": Control,
    "end_to_end": Control,
    "hebbian_attack": AttackPlan,
}
SIZES = {
    "hebbian": RuleSize,
    "hebbian_original": RuleSize,
    "hebbian_readout": ReadoutSize,
    "hebbian_original_readout": ReadoutSize,
    "simple_conv": ConvSize,
    "end_to_end": MlpSize,
    "hebbian_attack": AttackSize,
}
RUNS = {"hebbian_weights": WeightsRun, "hebbian_runs": ReadoutRun, "hebbian_controls": ControlRun}
NETWORKS = ("hebbian_runs", "hebbian_controls")  # run lists whose runs have checkpoints, are attacked and compared
ATTACK = "hebbian_attack"
ATTACK_STAGES = {"hebbian_controls": "attack_controls"}  # where a stage is not called after its run list
DATASET = "mnist"


def check_runs(runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Every readout reads weights that exist; raises ParamsError naming them."""
    for name, run in runs["hebbian_runs"].items():
        if run.weights not in runs["hebbian_weights"]:
            known = ", ".join(runs["hebbian_weights"])
            raise ParamsError(f"hebbian_runs.{name}.weights = {run.weights!r}: must be one of {known} (params.yaml)")

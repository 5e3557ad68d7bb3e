"""Parameters of the Hebbian study: one model per block of params.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from biorobust.core.attack_plan import Adaptive, AdaptiveSize, AttackPlan, AttackSize
from biorobust.core.config import Block, Count, Images, NotNegative, Positive, Several
from biorobust.core.errors import ParamsError

if TYPE_CHECKING:
    from biorobust.params import Params


class Rule(Block):
    """The competing-hidden-units rule (Krotov & Hopfield 2019, eq. 3 in its fast form)."""

    p: float = Field(ge=2)
    k: int = Field(ge=2)
    delta: NotNegative
    learning_rate: Positive
    batch_size: Count


class Readout(Block):
    """The power classifier c = tanh(beta S max(W v, 0)^n) and its training (eq. 1 and the loss below it).

    beta: or several to choose from.
    """

    inputs: Literal["raw", "unit"]
    power: float = Field(ge=1)
    beta: Positive | Several[Positive]
    m: float = Field(ge=1)
    learning_rate: Positive
    schedule: Literal["constant", "linear"]
    batch_size: Count


class ReadoutSize(Block):
    n_train: Images
    epochs: Count


class Control(Block):
    learning_rate: Positive
    batch_size: Count


class ConvSize(ReadoutSize):
    seeds: Count


class RuleSize(ConvSize):
    n_hidden: int = Field(ge=2)


MlpSize = RuleSize


class WeightsRun(Block):
    method: Literal["hebbian", "hebbian_original"]
    init: Literal["uniform", "normal"]


class ReadoutRun(Block):
    weights: str
    readout: Literal["hebbian_readout", "hebbian_original_readout"]
    units: Literal["all", "converged", "random"]


class ControlRun(Block):
    method: Literal["simple_conv", "end_to_end"]


# Accuracy above which a network counts as trained: by data set, by network, or of all. Part of the protocol.
TRAINED = {"all": 0.90}
CHECK = ("params", "check")  # file beside this one, and function that looks at what refers to what
ARCHITECTURES = {  # name in a checkpoint -> file beside this one, and function that builds it
    "hebbian-classifier": ("classifier", "build"),
    "simple-conv": ("controls", "build_simple_conv"),
    "end-to-end": ("controls", "build_end_to_end"),
}
BLOCKS = {
    "hebbian": Rule,
    "hebbian_original": Rule,
    "hebbian_readout": Readout,
    "hebbian_original_readout": Readout,
    "simple_conv": Control,
    "end_to_end": Control,
    "hebbian_attack": AttackPlan,
    "hebbian_adaptive": Adaptive,
}
SIZES = {
    "hebbian": RuleSize,
    "hebbian_original": RuleSize,
    "hebbian_readout": ReadoutSize,
    "hebbian_original_readout": ReadoutSize,
    "simple_conv": ConvSize,
    "end_to_end": MlpSize,
    "hebbian_attack": AttackSize,
    "hebbian_adaptive": AdaptiveSize,
}
RUNS = {"hebbian_weights": WeightsRun, "hebbian_runs": ReadoutRun, "hebbian_controls": ControlRun}
NETWORKS = ("hebbian_runs", "hebbian_controls")  # run lists whose runs have checkpoints, are attacked and compared
ATTACK = "hebbian_attack"
ATTACK_STAGES = {"hebbian_controls": "attack_controls"}  # where a stage is not called after its run list
DATASET = "mnist"
APART = ("hebbian_weights",)  # run lists whose names may be those of networks


def check(settings: Params) -> None:
    """Every readout reads weights that exist; raises ParamsError naming them."""
    known = settings.runs["hebbian_weights"]
    for name in settings.runs["hebbian_runs"]:
        weights = settings.run("hebbian_runs", name, ReadoutRun).weights
        if weights not in known:
            raise ParamsError(
                f"hebbian_runs.{name}.weights = {weights!r}: must be one of {', '.join(known)} (params.yaml)"
            )

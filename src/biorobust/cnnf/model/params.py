"""Parameters of the CNN-F study: one model per block of params.yaml, and what they say about a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from biorobust.core.attack_plan import Adaptive, AdaptiveSize, AttackPlan, AttackSize, Grid, rising
from biorobust.core.config import Block, Count, Images, NotNegative, Positive, Several, Share, ShareBelow1
from biorobust.core.errors import ParamsError
from biorobust.core.left_out import SomeRuns

if TYPE_CHECKING:
    from biorobust.params import Params

HIGHEST_IND = {"two-block": 2, "original": 6}  # the last block of each network, whose input may still cycle
TrainedOn = Literal["clean", "noisy", "both", "adversarial"]


class Feedback(Block):
    """T cycles with residual step r (Huang et al. 2020, section 2); T = 0 is a plain CNN."""

    cycles: int = Field(ge=0)
    residual: Share


class Training(Block):
    network: Literal["two-block", "original"]
    ind: int = Field(ge=0)
    readout: Literal["average", "last"]
    bias_feedback: Literal["subtract", "identity"]
    weight_first: NotNegative
    weight_cycles: NotNegative
    weight_feature: NotNegative
    weight_block1: NotNegative
    weight_block2: NotNegative
    weight_clean: NotNegative
    detach: bool
    learning_rate: Positive
    momentum: ShareBelow1
    weight_decay: NotNegative
    power: Positive
    clip_norm: Positive
    batch_size: Count
    hold_out: bool = Field(alias="validate")  # which is a method of every model
    precision: Literal["float32", "bfloat16"]

    @field_validator("ind")
    @classmethod
    def _ind(cls, ind: int, others: ValidationInfo) -> int:
        network = others.data.get("network", "original")
        if ind > HIGHEST_IND[network]:
            raise ValueError(f"an integer from 0 (pixels) to {HIGHEST_IND[network]} for the network {network}")
        return ind


class Noise(Block):
    """The noise that is trained on, unless a run has a level of its own, and evaluated on."""

    kind: Literal["gaussian", "uniform", "salt-and-pepper"]
    level: Share


class Evaluation(Block):
    """levels: of the noise. blur: standard deviation in pixels, and those over which accuracy is followed."""

    levels: Grid
    blur: Positive
    blur_levels: Annotated[
        Several[NotNegative], AfterValidator(rising), Field(description="a rising list of numbers that starts with 0")
    ]


class Adversarial(Block):
    """PGD on the first pass, for runs that train on adversarial images (the original's protocol); pixel units."""

    eps: Share
    step: Positive
    steps: Count


class Attack(AttackPlan):
    VIEWS: ClassVar[tuple[str, ...]] = ("first", "model")


class DataSize(Block):
    n_train: Images
    width: Count


class RunSize(Block):
    epochs: Count
    seeds: Count


class Part(Block):
    """Which runs of a list a scale has; the others are reported as not at this scale."""

    trained: SomeRuns


class GridSize(RunSize, Part):
    pass


class EvaluationSize(Block):
    n_test: Images
    n_images: int = Field(ge=6)


class NetworkRun(Block):
    method: Literal["cnnf", "cnn"]
    images: TrainedOn


class VariantRun(Block):
    """feedback: what it does to later passes; `none` is the plain CNN, trained as long as `method` says."""

    method: Literal["cnnf_fixed", "cnnf_long"]
    feedback: Literal["adaptive", "masked", "none"]
    images: TrainedOn
    cycle_clean: bool
    noise_level: Share


# Accuracy above which a network counts as trained: by data set, by network, or of all. Part of the protocol.
TRAINED = {"all": 0.60}
ARCHITECTURES = {  # name in a checkpoint -> file beside this one, and function that builds it
    "cnnf-two-block": ("network", "build_two_block"),
    "cnnf-original": ("network", "build_original"),
}
BLOCKS = {
    "cnnf": Feedback,
    "cnn": Block,  # without cycles there is no knob
    "cnnf_fixed": Feedback,
    "cnnf_long": Feedback,
    "cnnf_training": Training,
    "cnnf_noise": Noise,
    "cnnf_evaluation": Evaluation,
    "cnnf_adversarial": Adversarial,
    "cnnf_attack": Attack,
    "cnnf_adaptive": Adaptive,
}
SIZES = {
    "cnnf_training": DataSize,
    "cnnf": RunSize,
    "cnn": RunSize,
    "cnnf_fixed": RunSize,
    "cnnf_long": RunSize,
    "cnnf_grid": GridSize,
    "cnnf_variants": Part,
    "cnnf_evaluation": EvaluationSize,
    "cnnf_attack": AttackSize,
    "cnnf_adaptive": AdaptiveSize,
}
PARTS = {"cnnf_grid": ("cnnf_grid",), "cnnf_variants": ("cnnf_variants",)}  # size -> the run lists it has a part of
RUNS = {"cnnf_runs": NetworkRun, "cnnf_variants": VariantRun, "cnnf_grid": Feedback}
NETWORKS = ("cnnf_runs",)  # run lists whose runs have checkpoints, are attacked and compared
EVALUATED = ("cnnf_runs", "cnnf_variants", "cnnf_grid")  # those whose predictions are compared
ATTACK = "cnnf_attack"
DATASET = "emnist_letters"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one run is, with the lists of params.yaml resolved. images: which halves of a minibatch are trained on.

    feedback: `adaptive` gates ReLU and pooling, `masked` is gated by them alone, `none` for a plain CNN.
    """

    cycles: int
    residual: float
    feedback: str
    images: str
    cycle_clean: bool
    noise_level: float
    epochs: int
    seeds: int


def plan(name: str, settings: Params) -> Plan:
    """The run of that name in any list. Raises ParamsError naming the runs there are."""
    runs = {run: group for group in EVALUATED for run in settings.runs[group]}
    if name not in runs:
        raise ParamsError(f"run {name!r}: unknown; known are {', '.join(runs)}")
    entry = settings.runs[runs[name]][name].model_dump()
    method = entry.pop("method", "cnnf_grid")
    level = settings.block("cnnf_noise", Noise).level
    said: dict[str, Any] = {"images": "both", "cycle_clean": True, "noise_level": level}
    said |= {"feedback": "none" if method == "cnn" else "adaptive"} | entry
    if said["feedback"] == "none":
        said |= {"cycles": 0, "residual": 0.0}
    elif runs[name] != "cnnf_grid":
        said |= settings.block(method, Feedback).model_dump()
    return Plan(**said, **settings.size(method, RunSize).model_dump(include={"epochs", "seeds"}))

"""Parameters of the CNN-F study: one frozen dataclass per block of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from biorobust.core.attack_plan import AttackPlan, AttackSize, attack_names, eps_grid
from biorobust.core.errors import ParamsError
from biorobust.core.left_out import some_runs
from biorobust.core.schema import count, one_of, positive, setting

HIGHEST_IND = {"two-block": 2, "original": 6}  # the last block of each network, whose input may still cycle


def _share() -> Any:
    return setting("a number in [0, 1]", lambda value: 0 <= value <= 1)


def _not_negative() -> Any:
    return setting("a number of 0 or more", lambda value: value >= 0)


def _rising(levels: tuple[float, ...]) -> bool:
    return list(levels) == sorted(set(levels)) and levels[:1] == (0,)


@dataclass(frozen=True)
class Feedback:
    """T cycles with residual step r (Huang et al. 2020, section 2); T = 0 is a plain CNN."""

    cycles: int = count(0)
    residual: float = _share()


@dataclass(frozen=True)
class Plain:
    """The plain CNN: a network without cycles has no knob."""


@dataclass(frozen=True)
class Training:
    """Network, objective and optimiser that all runs of the study share."""

    network: str = one_of(*HIGHEST_IND)
    ind: int = count(0)
    readout: str = one_of("average", "last")
    bias_feedback: str = one_of("subtract", "identity")
    weight_first: float = _not_negative()
    weight_cycles: float = _not_negative()
    weight_feature: float = _not_negative()
    weight_block1: float = _not_negative()
    weight_block2: float = _not_negative()
    weight_clean: float = _not_negative()
    detach: bool = setting("true or false", lambda _: True)
    learning_rate: float = positive()
    momentum: float = setting("a number in [0, 1)", lambda value: 0 <= value < 1)
    weight_decay: float = _not_negative()
    power: float = positive()
    clip_norm: float = positive()
    batch_size: int = count()
    validate: bool = setting("true or false", lambda _: True)
    precision: str = one_of("float32", "bfloat16")

    def __post_init__(self) -> None:
        if self.ind > HIGHEST_IND[self.network]:
            raise ParamsError(
                f"cnnf_training.ind = {self.ind}: must be an integer from 0 (pixels) to {HIGHEST_IND[self.network]} "
                f"for the network {self.network} (params.yaml)"
            )


@dataclass(frozen=True)
class Noise:
    """The noise that is trained on, unless a run has a level of its own, and evaluated on."""

    kind: str = one_of("gaussian", "uniform", "salt-and-pepper")
    level: float = _share()


@dataclass(frozen=True)
class Evaluation:
    """levels: of the noise. blur: standard deviation in pixels, and those over which accuracy is followed."""

    levels: tuple[float, ...] = setting(
        "a rising list of numbers in [0, 1] that starts with 0", lambda levels: _rising(levels) and levels[-1] <= 1
    )
    blur: float = positive()
    blur_levels: tuple[float, ...] = setting(
        "a rising list of numbers that starts with 0", lambda levels: _rising(levels)
    )


@dataclass(frozen=True)
class Adversarial:
    """PGD on the first pass, for runs that train on adversarial images (the original's protocol); pixel units."""

    eps: float = _share()
    step: float = positive()
    steps: int = count()


@dataclass(frozen=True)
class Attack(AttackPlan):
    attacks: tuple[str, ...] = attack_names("first", "model")


@dataclass(frozen=True)
class Probe:
    """The attack through all cycles under which feedback is followed, cycle by cycle."""

    attack: str = one_of("fgsm-cross-entropy", "fgsm-margin", "pgd-cross-entropy", "pgd-margin")
    eps: tuple[float, ...] = eps_grid()


@dataclass(frozen=True)
class DataSize:
    n_train: int = count(32)
    width: int = count()


@dataclass(frozen=True)
class RunSize:
    epochs: int = count()
    seeds: int = count()


@dataclass(frozen=True)
class Part:
    """Which runs of a list a scale has; the others are reported as not at this scale."""

    trained: str | tuple[str, ...] = some_runs()


@dataclass(frozen=True)
class GridSize(RunSize, Part):
    """How much of the grid to run."""


@dataclass(frozen=True)
class EvaluationSize:
    n_test: int = count(32)
    n_images: int = count(6)


@dataclass(frozen=True)
class NetworkRun:
    method: str = one_of("cnnf", "cnn")
    images: str = one_of("clean", "noisy", "both", "adversarial")


@dataclass(frozen=True)
class VariantRun:
    """feedback: what it does to later passes; `none` is the plain CNN, trained as long as `method` says."""

    method: str = one_of("cnnf_fixed", "cnnf_long")
    feedback: str = one_of("adaptive", "masked", "none")
    images: str = one_of("clean", "noisy", "both", "adversarial")
    cycle_clean: bool = setting("true or false", lambda _: True)
    noise_level: float = _share()


BLOCKS = {
    "cnnf": Feedback,
    "cnn": Plain,
    "cnnf_fixed": Feedback,
    "cnnf_long": Feedback,
    "cnnf_training": Training,
    "cnnf_noise": Noise,
    "cnnf_evaluation": Evaluation,
    "cnnf_adversarial": Adversarial,
    "cnnf_attack": Attack,
    "cnnf_probe": Probe,
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
}
PARTS = {"cnnf_grid": "cnnf_grid", "cnnf_variants": "cnnf_variants"}  # size -> the run list it has a part of
RUNS = {"cnnf_runs": NetworkRun, "cnnf_variants": VariantRun, "cnnf_grid": Feedback}
NETWORKS = ("cnnf_runs",)  # run lists whose runs have checkpoints, are attacked and compared
EVALUATED = ("cnnf_runs", "cnnf_variants", "cnnf_grid")  # those whose predictions are compared
ATTACK = "cnnf_attack"
DATASET = "emnist_letters"


def check_runs(runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Names are unique in the study; raises ParamsError naming the run."""
    names = [name for group in EVALUATED for name in runs[group]]
    for name in names:
        if names.count(name) > 1:
            raise ParamsError(f"run {name!r}: named in two run lists (params.yaml)")

"""Parameters of the k-WTA study: one frozen dataclass per block of params.yaml, and the cells its runs are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from biorobust.core.attack_plan import NAMES, AttackSize, attack_names
from biorobust.core.errors import ParamsError
from biorobust.core.left_out import some_runs
from biorobust.core.schema import build, count, one_of, positive, setting

NETWORKS_OF_THE_REPORT = ("resnet18", "alexnet")
DATASETS = ("cifar10", "svhn")
FAST = "fast"  # our own small network beside the report's; on CIFAR-10 alone, and from random weights alone
PLACES = (*(f"{network}-{dataset}" for network in NETWORKS_OF_THE_REPORT for dataset in DATASETS), f"{FAST}-cifar10")
ARCHITECTURE = "kwta-network"  # of all cells, in biorobust.core.runs.ARCHITECTURES
CURVE_COLUMNS = ("seed", "epoch", "loss", "accuracy", "learning_rate", "test_loss", "test_accuracy", "gamma")
FULL_WIDTH = 64  # channels of the first convolution of ResNet18 and AlexNet, the only width with ImageNet weights
SMALL_IMAGE = 32  # pixels: what the small fast network and the original's ResNet18 with its 3x3 stem are made for


def _gamma() -> Any:
    return setting("a number above 0 and up to 1", lambda gamma: 0 < gamma <= 1)


def _gamma_or_relu() -> Any:
    return setting("a number above 0 and up to 1, or null", lambda gamma: gamma is None or 0 < gamma <= 1)


def _flag() -> Any:
    return setting("true or false", lambda flag: isinstance(flag, bool))


def _named() -> Any:
    return setting("a name", lambda name: bool(name))


def _share() -> Any:
    return setting("a number in [0, 1]", lambda value: 0 <= value <= 1)


@dataclass(frozen=True)
class Winners:
    """A k-WTA row: the share of values that pass, the same in every layer."""

    gamma: float = _gamma()


@dataclass(frozen=True)
class Relu:
    """The control row, which has no knob."""


@dataclass(frozen=True)
class Training:
    """What all cells share. clip: largest L2 norm of the gradient, or null. crop: pixels of padding, 0 for no crop.

    logits: outputs that the cross-entropy sees; only the first 10 are classes. stem: the first activation.
    """

    batch_size: int = count()
    momentum: float = setting("a number in [0, 1)", lambda momentum: 0 <= momentum < 1)
    weight_decay: float = setting("a number of 0 or more", lambda decay: decay >= 0)
    clip: float | None = setting("a number above 0, or null", lambda clip: clip is None or clip > 0)
    crop: int = count(0)
    flip: bool = _flag()
    stem: str = one_of("relu", "kwta")
    logits: int = count(10)
    normalise: bool = _flag()


@dataclass(frozen=True)
class Fast:
    """How the small fast network is trained: SGD with Nesterov momentum, a rate that rises over the share `warmup` of
    the steps and then falls to 0, smoothed labels, images mirrored and shifted by up to `crop` pixels.

    gamma_fall: share of the epochs in which gamma falls from 1 to the row's own in a straight line; 0: it is constant.
    """

    batch_size: int = count()
    learning_rate: float = positive()
    warmup: float = setting("a number above 0 and below 1", lambda warmup: 0 < warmup < 1)
    momentum: float = setting("a number above 0 and below 1", lambda momentum: 0 < momentum < 1)
    weight_decay: float = setting("a number of 0 or more", lambda decay: decay >= 0)
    label_smoothing: float = setting("a number in [0, 1)", lambda smoothing: 0 <= smoothing < 1)
    crop: int = count(0)
    flip: bool = _flag()
    gamma_fall: float = _share()


@dataclass(frozen=True)
class FastSize:
    n_train: int = count(32)
    width: int = count()
    epochs: int = count()


@dataclass(frozen=True)
class TrainingSize:
    """precision: of the products with weights while training; what is measured is measured in float32."""

    n_train: int = count(32)
    image_size: int = count(32)
    resnet18_width: int = count()
    resnet18_small_width: int = count()
    alexnet_width: int = count()
    precision: str = one_of("float32", "bfloat16")
    seeds: int = count()


@dataclass(frozen=True)
class Cells:
    """Which cells of every run are trained at a scale, as `network-dataset`; the others are reported as left out."""

    trained: tuple[str, ...] = setting(
        f"a list without repeats, of {', '.join(PLACES)}",
        lambda trained: set(trained) <= set(PLACES) and len(set(trained)) == len(trained),
    )


@dataclass(frozen=True)
class Rate:
    """The learning rate of one start: `drop_factor` times as large from the share `drop_at` of the training on."""

    learning_rate: float = positive()
    drop_at: float = _share()
    drop_factor: float = positive()


@dataclass(frozen=True)
class Epochs:
    """epochs and epochs_svhn: how often training goes through CIFAR-10 and through SVHN."""

    epochs: int = count()
    epochs_svhn: int = count()

    def over(self, dataset: str) -> int:
        """How often training goes through a data set."""
        return self.epochs if dataset == "cifar10" else self.epochs_svhn


@dataclass(frozen=True)
class Incremental:
    """How gamma falls (Xiao et al. 2020): `start` for the share `hold` of the epochs, then `step` less in equal turns.

    The learning rate is `factor` times as large while gamma falls.
    """

    start: float = _gamma()
    step: float = positive()
    hold: float = _share()
    factor: float = positive()


@dataclass(frozen=True)
class Attacks:
    """Attacks on the image and on the resized tensor, one L-infinity size per data set, in units of pixel intensity."""

    attacks: tuple[str, ...] = attack_names()
    resized_attacks: tuple[str, ...] = attack_names()
    eps_cifar10: float = _share()
    eps_svhn: float = _share()
    reencoded_attack: str = _named()
    jpeg_quality: int = setting("an integer from 1 to 95", lambda quality: 1 <= quality <= 95)

    def __post_init__(self) -> None:
        if self.reencoded_attack not in self.attacks:
            known = ", ".join(self.attacks)
            raise ParamsError(f"kwta_attack.reencoded_attack = {self.reencoded_attack!r}: must be one of {known}")

    def eps(self, dataset: str) -> float:
        """The L-infinity size for a data set."""
        return self.eps_cifar10 if dataset == "cifar10" else self.eps_svhn


@dataclass(frozen=True)
class AttackedSize(AttackSize):
    """n_images and n_svhn: how many of the fixed evaluation images are attacked, of CIFAR-10 and of SVHN.

    n_reencoded: test images whose clean accuracy is taken before and after one more JPEG.
    """

    n_svhn: int = count(8)
    n_reencoded: int = count(8)

    def attacked(self, dataset: str) -> int:
        """How many images of a data set are attacked."""
        return self.n_images if dataset == "cifar10" else self.n_svhn


@dataclass(frozen=True)
class Probe:
    """Random lines through images; `gammas` are tried on the weights of every k-WTA cell."""

    length: float = positive()
    n_points: int = setting("an odd integer of 5 or more", lambda n: n >= 5 and n % 2 == 1)
    gammas: tuple[float, ...] = setting(
        "a list of numbers above 0 and up to 1", lambda gammas: all(0 < gamma <= 1 for gamma in gammas)
    )


@dataclass(frozen=True)
class ProbeSize:
    """n_lines: images with a random line each. n_patterns: images of which the passing values are compared."""

    n_lines: int = count()
    n_patterns: int = count()


@dataclass(frozen=True)
class Ablation:
    """What every ablation is attacked with."""

    attack: str = one_of(*NAMES)


@dataclass(frozen=True)
class AblationSize:
    """trained: which of kwta_ablations. n_test: so many images of the evaluation list give the clean accuracy; the
    first n_images are attacked.
    """

    trained: str | tuple[str, ...] = some_runs()
    n_train: int = count(32)
    epochs: int = count()
    seeds: int = count()
    n_test: int = count(8)
    n_images: int = count(8)


@dataclass(frozen=True)
class TimingSize:
    """Whether the selection of the k largest values is timed."""

    timed: bool = _flag()


@dataclass(frozen=True)
class Run:
    """One row of four tables: a start and a method, on every network and data set."""

    init: str = one_of("scratch", "pretrained")
    method: str = one_of("relu", "kwta", "kwta_low")


@dataclass(frozen=True)
class AblationRun:
    """One setting of one cell changed: `change` names it among those of Recipe, `to` is its value.

    gamma: null for ReLU. recipe: the block that the rest is taken from. seeds: as many, or fewer where the scale says.
    """

    question: str = _named()
    network: str = one_of("resnet18", "resnet18-small", "alexnet")
    dataset: str = one_of(*DATASETS)
    init: str = one_of("scratch", "pretrained")
    gamma: float | None = _gamma_or_relu()
    recipe: str = one_of("kwta_training", "kwta_original")
    seeds: int = count()
    change: str = _named()
    to: bool | int | float | str | None = setting("a value", lambda _: True)


@dataclass(frozen=True)
class Recipe:
    """Everything one cell is trained with, flat; these are the `settings` of its metrics.

    schedule: of the learning rate; `drop_at` and `drop_factor` are those of "steps", `warmup` is that of "triangular".
    gamma_fall: of the gamma_schedule "linear". edges: what a crop moves in, see `augment.crop_and_flip`.
    """

    network: str = one_of("resnet18", "resnet18-small", "alexnet", FAST)
    dataset: str = one_of(*DATASETS)
    init: str = one_of("scratch", "pretrained")
    activation: str = one_of("relu", "kwta")
    gamma: float | None = _gamma_or_relu()
    gamma_schedule: str = one_of("constant", "incremental", "linear")
    gamma_fall: float = _share()
    stem: str = one_of("relu", "kwta")
    logits: int = count(10)
    width: int = count()
    image_size: int = count(32)
    precision: str = one_of("float32", "bfloat16")
    normalise: bool = _flag()
    n_train: int = count(32)
    epochs: int = count()
    batch_size: int = count()
    learning_rate: float = positive()
    schedule: str = one_of("steps", "triangular")
    drop_at: float = _share()
    drop_factor: float = positive()
    warmup: float = _share()
    momentum: float = setting("a number in [0, 1)", lambda momentum: 0 <= momentum < 1)
    nesterov: bool = _flag()
    weight_decay: float = setting("a number of 0 or more", lambda decay: decay >= 0)
    label_smoothing: float = setting("a number in [0, 1)", lambda smoothing: 0 <= smoothing < 1)
    clip: float | None = setting("a number above 0, or null", lambda clip: clip is None or clip > 0)
    crop: int = count(0)
    edges: str = one_of("zeros", "reflect")
    flip: bool = _flag()


BLOCKS = {
    "relu": Relu,
    "kwta": Winners,
    "kwta_low": Winners,
    "kwta_training": Training,
    "kwta_original": Training,
    "kwta_fast": Fast,
    "kwta_scratch": Rate,
    "kwta_pretrained": Rate,
    "kwta_incremental": Incremental,
    "kwta_attack": Attacks,
    "kwta_probe": Probe,
    "kwta_ablation": Ablation,
}
SIZES = {
    "kwta_training": TrainingSize,
    "kwta_fast": FastSize,
    "kwta_cells": Cells,
    "kwta_scratch": Epochs,
    "kwta_pretrained": Epochs,
    "kwta_attack": AttackedSize,
    "kwta_probe": ProbeSize,
    "kwta_ablation": AblationSize,
    "kwta_timing": TimingSize,
}
PARTS = {"kwta_ablation": "kwta_ablations"}  # size -> the run list it has a part of
RUNS = {"kwta_runs": Run, "kwta_ablations": AblationRun}
NETWORKS: tuple[str, ...] = ()  # the general attack stage serves runs of one network; these have an own one
# Any sound recipe, to check what an ablation changes before there are sizes.
_SOUND = {
    "network": "resnet18",
    "dataset": "cifar10",
    "init": "scratch",
    "activation": "kwta",
    "gamma": 0.2,
    "gamma_schedule": "constant",
    "gamma_fall": 0.0,
    "stem": "kwta",
    "logits": 10,
    "width": 64,
    "image_size": 64,
    "precision": "float32",
    "normalise": False,
    "n_train": 1000,
    "epochs": 1,
    "batch_size": 64,
    "learning_rate": 0.1,
    "schedule": "steps",
    "drop_at": 1.0,
    "drop_factor": 1.0,
    "warmup": 0.0,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "clip": None,
    "crop": 4,
    "edges": "zeros",
    "flip": True,
}


def cells(run: str) -> dict[str, tuple[str, str]]:
    """The cells of a run: name -> network and data set."""
    return {f"{place}-{run}": (network, dataset) for place in PLACES for network, dataset in [place.split("-")]}


def compared(runs: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Cells that are compared image by image: those of one network on one data set."""
    return [[f"{place}-{run}" for run in runs["kwta_runs"]] for place in PLACES]


def check_runs(runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Every ablation changes something that exists to something that can be; raises ParamsError naming it."""
    for name, run in runs["kwta_ablations"].items():
        where = f"kwta_ablations.{name}"
        if run.change not in _SOUND:
            known = ", ".join(_SOUND)
            raise ParamsError(f"{where}.change = {run.change!r}: must be one of {known} (params.yaml)")
        build(Recipe, _SOUND | {run.change: run.to}, where=f"{where}: {run.change} changed")

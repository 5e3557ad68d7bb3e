"""Parameters of the k-WTA study: one model per block of params.yaml, and the cells its runs are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from biorobust.attack_names import AttackName
from biorobust.core.attack_plan import Adaptive, AdaptiveSize, AttackSize
from biorobust.core.config import Block, Count, Images, NotNegative, Odd, Positive, Several, Share, ShareBelow1, Unlike
from biorobust.core.left_out import SomeRuns

DatasetName = Literal["cifar10", "svhn"]
OTHER = {"cifar10": "svhn", "svhn": "cifar10"}  # where weights of a transferred network come from
FAST = "fast"  # our own small network beside the report's; on CIFAR-10 alone, and from random weights alone
Place = Literal["resnet18-cifar10", "resnet18-svhn", "alexnet-cifar10", "alexnet-svhn", "fast-cifar10"]
PLACES: tuple[str, ...] = get_args(Place)
ARCHITECTURE = "kwta-network"  # of all cells
CURVE_COLUMNS = ("seed", "epoch", "loss", "accuracy", "learning_rate", "test_loss", "test_accuracy", "gamma")
FULL_WIDTH = 64  # channels of the first convolution of ResNet18 and AlexNet, the only width with ImageNet weights
SMALL_IMAGE = 32  # pixels: what the small fast network and the original's ResNet18 with its 3x3 stem are made for

Gamma = Annotated[float, Field(gt=0, le=1)]  # the share of values that pass an activation
ShareInside = Annotated[float, Field(gt=0, lt=1)]
Init = Literal["scratch", "pretrained"]
TRANSFERRED = "transferred"
Start = Literal["scratch", "pretrained", "transferred"]
Activation = Literal["relu", "kwta"]
Precision = Literal["float32", "bfloat16"]
Padding = Annotated[int, Field(ge=0)]  # pixels that a crop may move, 0 for no crop
Setting = bool | int | float | str | None


class Winners(Block):
    gamma: Gamma


class Training(Block):
    """What all cells share. clip: largest L2 norm of the gradient. stem: the first activation. logits: outputs that the
    cross-entropy sees, of which the first 10 are classes.
    """

    batch_size: Count
    momentum: ShareBelow1
    weight_decay: NotNegative
    clip: Positive | None
    crop: Padding
    flip: bool
    stem: Activation
    logits: int = Field(ge=10)
    normalise: bool


class Fast(Block):
    """How the small fast network is trained: SGD with Nesterov momentum, a rate that rises over the share `warmup` of
    the steps and then falls to 0, smoothed labels, images mirrored and shifted by up to `crop` pixels.

    gamma_fall: share of the epochs in which gamma falls from 1 to the row's own in a straight line; 0: it is constant.
    """

    batch_size: Count
    learning_rate: Positive
    warmup: ShareInside
    momentum: ShareInside
    weight_decay: NotNegative
    label_smoothing: ShareBelow1
    crop: Padding
    flip: bool
    gamma_fall: Share


class FastSize(Block):
    n_train: Images
    width: Count
    epochs: Count


class TrainingSize(Block):
    """precision: of the products with weights while training; what is measured is measured in float32."""

    n_train: Images
    image_size: Images
    resnet18_width: Count
    resnet18_small_width: Count
    alexnet_width: Count
    precision: Precision
    seeds: Count


class Cells(Block):
    """Which cells of every run are trained at a scale, as `network-dataset`; the others are reported as left out."""

    trained: Unlike[Place] | Literal["none"]


class Rate(Block):
    """The learning rate of one start: `drop_factor` times as large from the share `drop_at` of the training on."""

    learning_rate: Positive
    drop_at: Share
    drop_factor: Positive


class Epochs(Block):
    """epochs and epochs_svhn: how often training goes through CIFAR-10 and through SVHN."""

    epochs: Count
    epochs_svhn: Count

    def over(self, dataset: str) -> int:
        return self.epochs if dataset == "cifar10" else self.epochs_svhn


class Incremental(Block):
    """How gamma falls (Xiao et al. 2020): `start` for the share `hold` of the epochs, then `step` less in equal turns.

    The learning rate is `factor` times as large while gamma falls.
    """

    start: Gamma
    step: Positive
    hold: Share
    factor: Positive


class Attacks(Block):
    """Attacks on the image and on the resized tensor, one L-infinity size per data set, in units of pixel intensity."""

    attacks: Unlike[AttackName]
    resized_attacks: Unlike[AttackName]
    eps_cifar10: Share
    eps_svhn: Share
    reencoded_attack: str
    jpeg_quality: int = Field(ge=1, le=95)

    @field_validator("reencoded_attack")
    @classmethod
    def _among_the_attacks(cls, name: str, others: ValidationInfo) -> str:
        if name not in (known := others.data.get("attacks", (name,))):
            raise ValueError(f"one of {', '.join(known)}")
        return name

    def eps(self, dataset: str) -> float:
        return self.eps_cifar10 if dataset == "cifar10" else self.eps_svhn


class AttackedSize(AttackSize):
    """n_images and n_svhn: how many of the fixed evaluation images are attacked, of CIFAR-10 and of SVHN.

    n_reencoded: test images whose clean accuracy is taken before and after one more JPEG.
    """

    n_svhn: int = Field(ge=8)
    n_reencoded: int = Field(ge=8)

    def attacked(self, dataset: str) -> int:
        return self.n_images if dataset == "cifar10" else self.n_svhn


class Probe(Block):
    """Random lines through images; `gammas` are tried on the weights of every k-WTA cell."""

    length: Positive
    n_points: Odd = Field(ge=5)
    gammas: Several[Gamma]


class ProbeSize(Block):
    """n_lines: images with a random line each."""

    n_lines: Count


class Ablation(Block):
    attack: AttackName


class AblationSize(Block):
    """trained: which of kwta_ablations. n_train_original: for those with the original's recipe. n_test: so many images
    of the evaluation list give the clean accuracy; the first n_images are attacked.
    """

    trained: SomeRuns
    n_train: Images
    n_train_original: Images
    epochs: Count
    seeds: Count
    n_test: int = Field(ge=8)
    n_images: int = Field(ge=8)


class TimingSize(Block):
    timed: bool


class Run(Block):
    """One row of the tables of a start: a method, on every network and data set that can start so."""

    init: Start
    method: Literal["relu", "kwta", "kwta_low"]


class Recipe(Training, Rate):
    """Everything one cell is trained with, flat: the `settings` of its metrics.

    schedule: of the learning rate; `drop_at` and `drop_factor` are those of "steps", `warmup` is that of "triangular".
    gamma_fall: of the gamma_schedule "linear". gamma_by_layer: as in `operator.spread`, where gamma stays as it is.
    edges: what a crop moves in, see `augment.crop_and_flip`. weights: the first ones, torch's own or those of He and
    others (2015), which keep the size of what passes. source: the cell with whose weights a transferred network starts.
    """

    network: Literal["resnet18", "resnet18-small", "alexnet", "fast"]
    dataset: DatasetName
    init: Start
    source: str | None = None
    activation: Activation
    gamma: Gamma | None
    gamma_schedule: Literal["constant", "incremental", "linear"] = "constant"
    gamma_fall: Share = 0.0
    gamma_by_layer: Literal["equal", "falling", "rising", "middle"] = "equal"
    width: Count
    image_size: Images
    precision: Precision = "float32"
    n_train: Images
    epochs: Count
    schedule: Literal["steps", "triangular"] = "steps"
    warmup: Share = 0.0
    nesterov: bool = False
    label_smoothing: ShareBelow1 = 0.0
    edges: Literal["zeros", "reflect"] = "zeros"
    weights: Literal["torch", "he"] = "torch"

    @model_validator(mode="after")
    def _by_layer(self) -> Recipe:
        constant = self.gamma_schedule == "constant" and self.gamma is not None and self.gamma <= 2 / 3
        if self.gamma_by_layer != "equal" and not constant:
            raise ValueError("gamma_by_layer other than equal needs a constant gamma of at most 2/3")
        return self

    @model_validator(mode="after")
    def _begins(self) -> Recipe:
        if (self.init == TRANSFERRED) != (self.source is not None):
            raise ValueError("a transferred network needs a source, and no other has one")
        return self


class AblationRun(Block):
    """One setting of one cell changed: `change` names it among those of Recipe, `to` is its value.

    gamma: null for ReLU. recipe: the block that the rest is taken from, but for the settings `besides`. seeds: as many,
    or fewer where the scale says.
    """

    question: str = Field(min_length=1)
    network: Literal["resnet18", "resnet18-small", "alexnet"]
    dataset: DatasetName
    init: Init
    gamma: Gamma | None
    recipe: Literal["kwta_training", "kwta_original"]
    seeds: Count
    change: str
    to: Setting
    besides: Mapping[str, Setting] = {}

    @field_validator("change", "besides")
    @classmethod
    def _of_a_recipe(cls, names: str | Mapping[str, Setting]) -> str | Mapping[str, Setting]:
        if not {*([names] if isinstance(names, str) else names)} <= set(Recipe.model_fields):
            raise ValueError(f"one of {', '.join(Recipe.model_fields)}")
        return names


# Accuracy above which a network counts as trained: by data set, by network, or of all. Part of the protocol.
TRAINED = {"all": 0.80, "fast": 0.30}
CHECK = ("recipe", "check")  # file beside this one, and function that looks at what refers to what
ARCHITECTURES = {  # name in a checkpoint -> file beside this one, and function that builds it
    "kwta-network": ("networks", "build")
}
BLOCKS = {
    "relu": Block,  # the control row has no knob
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
    "kwta_adaptive": Adaptive,
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
    "kwta_adaptive": AdaptiveSize,
}
PARTS = {"kwta_ablation": ("kwta_ablations",)}  # size -> the run lists it has a part of
RUNS = {"kwta_runs": Run, "kwta_ablations": AblationRun}
NETWORKS: tuple[str, ...] = ()  # the general attack stage serves runs of one network; these have an own one
APART = ("kwta_runs", "kwta_ablations")  # run lists whose names may be those of networks


def transferred(run: str) -> bool:
    """Whether a run starts from networks of the other data set, which its name says."""
    return run.partition("-")[0] == TRANSFERRED


def stage_key(run: str) -> str:
    """Under which key dvc.yaml trains and attacks a run: its row, or that of all transferred ones."""
    return TRANSFERRED if transferred(run) else run.partition("-")[2]


def cells(run: str) -> dict[str, tuple[str, str]]:
    """The cells of a run: name -> network and data set."""
    # AlexNet does not learn SVHN from the report's start, so it could be no source.
    places = [place for place in PLACES if place.startswith("resnet18") or not transferred(run)]
    return {f"{place}-{run}": (network, dataset) for place in places for network, dataset in [place.split("-")]}


def compared(runs: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Cells that are compared image by image: those of one network on one data set."""
    every = [cell for run in runs["kwta_runs"] for cell in cells(run)]
    return [[cell for cell in every if cell.startswith(f"{place}-")] for place in PLACES]

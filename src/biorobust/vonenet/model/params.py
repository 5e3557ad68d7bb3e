"""Parameters of the VOneNet study: one model per block of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from biorobust.core.attack_plan import Adaptive, AdaptiveSize, Grid
from biorobust.core.config import Block, Count, Images, NotNegative, Odd, Positive, Seed, Several, ShareBelow1


class V1Stage(Block):
    """The keywords of `VOneBlock` that the analogue's runs share, and the scale of its filters."""

    pixels_per_degree: Positive
    simple_channels: int = Field(ge=0)
    complex_channels: int = Field(ge=0)
    ksize: Odd = Field(ge=1)
    stride: Count
    sf_min: NotNegative
    sf_max: Positive
    sf_corr: float = Field(ge=-1, le=1)
    k_exc: Positive
    colours: Literal["published", "paired"]
    noise_scale: Positive
    noise_level: NotNegative
    gabor_seed: Seed
    colour_seed: Seed

    def keywords(self, *, image_size: int) -> dict[str, Any]:
        values = self.model_dump()
        return {"visual_degrees": image_size / values.pop("pixels_per_degree"), **values}


class PixelStem(Block):
    stem: Literal["imagenet", "small"]


class Training(Block):
    """How all networks of the analogue are trained: SGD on cross-entropy, shifted and mirrored images.

    zero_init: the last normalisation of every residual block starts at 0, so that it begins as the identity.
    """

    image_size: Images
    batch_size: Count
    learning_rate: Positive
    momentum: ShareBelow1
    nesterov: bool
    weight_decay: NotNegative
    schedule: Literal["constant", "linear", "cosine"]
    warmup: ShareBelow1
    crop_padding: int = Field(ge=0)
    zero_init: bool
    precision: Literal["float32", "bfloat16"]


class TrainingSize(Block):
    """recipe: the block of params.yaml with the rest. n_test: so many images of the evaluation list are tested."""

    recipe: Literal["vonenet_training", "vonenet_short_training"]
    n_train: Images
    n_test: int = Field(ge=8)
    width: Count
    epochs: Count
    seeds: Count


class Run(Block):
    trained: bool
    method: Literal["resnet", "vonenet"]
    depth: Literal[18, 50]
    noise: Literal["neuronal", "gaussian", "none"]
    filters: Literal["biological", "uniform", "none"]

    @field_validator("noise", "filters")
    @classmethod
    def _of_the_v1_stage(cls, value: str, others: ValidationInfo) -> str:
        method = others.data.get("method")
        if method == "resnet" and value != "none":
            raise ValueError("none, as a resnet has no V1 stage")
        if method == "vonenet" and others.field_name == "filters" and value == "none":
            raise ValueError("biological or uniform")
        return value


class ImagenetRun(Block):
    """A network that others trained on ImageNet: the file of its weights, in the folder of BIOROBUST_WEIGHTS."""

    depth: ClassVar[int] = 50
    trained: ClassVar[bool] = True

    method: Literal["resnet", "vonenet"]
    file: str = Field(pattern=r"^[^/]*[^/.][^/]*$", description="the name of a file, without a folder")


class Perturbations(Block):
    """DeepFool in L-infinity as Foolbox has it, and the networks whose perturbed images all others are shown."""

    sources: Several[str]
    steps: Count
    candidates: int = Field(ge=2)
    overshoot: NotNegative
    draws: Count


class PerturbationsSize(Block):
    n_images: int = Field(ge=8)


class Activations(Block):
    """What the layers are compared at. Sizes are L-infinity, in units of pixel intensity."""

    eps: Grid
    common_eps: float = Field(gt=0, le=1)

    @field_validator("common_eps")
    @classmethod
    def _on_the_grid(cls, size: float, others: ValidationInfo) -> float:
        if size not in (grid := others.data.get("eps", (size,))):
            raise ValueError(f"one of eps, {', '.join(map(str, grid))}")
        return size


class ActivationsSize(Block):
    """repeats: passes that judge an image under live noise. pictures: images with PCA."""

    repeats: int = Field(ge=2)
    pictures: Count


@dataclass(frozen=True)
class Group:
    """Networks whose layers are measured on the same images. runs: their list in params.yaml."""

    runs: str
    dataset: str


ANALOGUE = "cifar10"  # the other group is the report's own networks
GROUPS = {
    ANALOGUE: Group(runs="vonenet_runs", dataset="cifar10"),
    "imagenet": Group(runs="vonenet_imagenet", dataset="imagenet_samples"),
}


def baseline(name: str, runs: Mapping[str, Any]) -> str | None:
    """The plain network that one with a V1 stage is compared with: as deep, and trained if it is; else None."""
    run = runs[name]
    if run.method == "resnet":
        return None
    alike = ("resnet", run.depth, run.trained)
    return next((n for n, it in runs.items() if (it.method, it.depth, it.trained) == alike), None)


def untrained(name: str, runs: Mapping[str, Any]) -> str | None:
    """The network of a trained one's architecture with random weights; None where there is none."""
    run = runs[name]
    random = {other: it for other, it in runs.items() if run.trained and not it.trained}
    alike = (run.method, run.depth, getattr(run, "filters", None))
    return next((n for n, it in random.items() if (it.method, it.depth, it.filters) == alike), None)


# Accuracy above which a network counts as trained: by data set, by network, or of all. Part of the protocol.
TRAINED = {"all": 0.70, "imagenet_samples": 0.50}
ARCHITECTURES = {  # name in a checkpoint -> file beside this one, and function that builds it
    "vonenet": ("models", "build")
}
BLOCKS = {
    "vonenet": V1Stage,
    "resnet": PixelStem,
    "vonenet_training": Training,
    "vonenet_short_training": Training,
    "vonenet_perturbations": Perturbations,
    "vonenet_activations": Activations,
    "vonenet_adaptive": Adaptive,
}
SIZES = {
    "vonenet_training": TrainingSize,
    "vonenet_perturbations": PerturbationsSize,
    "vonenet_activations": ActivationsSize,
    "vonenet_adaptive": AdaptiveSize,
}
RUNS = {"vonenet_runs": Run, "vonenet_imagenet": ImagenetRun}
NETWORKS = ()  # the study perturbs images where it reads layers, so the general attack stage has none of its runs
COMPARED = ("vonenet_runs",)  # run lists with attack records all the same
